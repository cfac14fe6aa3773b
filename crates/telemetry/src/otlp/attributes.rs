//! Names and values as OTLP has them, and what this process says of itself.

use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::resource::v1::Resource;

/// A name and its text.
pub(super) fn string_attribute(name: &str, text: impl Into<String>) -> KeyValue {
    let value = Some(AnyValue { value: Some(Value::StringValue(text.into())) });
    KeyValue { key: name.to_owned(), value, ..KeyValue::default() }
}

/// What this process is. What the operator says of it wins.
pub(super) fn resource(said: &[(String, String)], instance: &str) -> Resource {
    let own = [("service.version", env!("CARGO_PKG_VERSION")), ("service.instance.id", instance)];
    let own = own.into_iter().filter(|(name, _)| said.iter().all(|(key, _)| key != name));
    let attributes = said
        .iter()
        .map(|(name, value)| string_attribute(name, value))
        .chain(own.map(|(n, v)| string_attribute(n, v)));
    Resource { attributes: attributes.collect(), ..Resource::default() }
}

/// Who measures.
pub(super) fn scope() -> InstrumentationScope {
    InstrumentationScope {
        name: "latchkey".to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        ..InstrumentationScope::default()
    }
}
