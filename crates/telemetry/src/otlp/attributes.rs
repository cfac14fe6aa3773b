//! OTLP attributes, and the resource and scope that describe this process.

use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::resource::v1::Resource;

/// Returns an attribute with a string value.
pub(super) fn string_attribute(name: &str, text: impl Into<String>) -> KeyValue {
    let value = Some(AnyValue { value: Some(Value::StringValue(text.into())) });
    KeyValue { key: name.to_owned(), value, ..KeyValue::default() }
}

/// Returns the resource that describes this process. The operator's attributes win over the built-in ones.
pub(super) fn resource(configured: &[(String, String)], instance: &str) -> Resource {
    let own = [("service.version", env!("CARGO_PKG_VERSION")), ("service.instance.id", instance)];
    let own = own.into_iter().filter(|(name, _)| configured.iter().all(|(key, _)| key != name));
    let attributes = configured
        .iter()
        .map(|(name, value)| string_attribute(name, value))
        .chain(own.map(|(n, v)| string_attribute(n, v)));
    Resource { attributes: attributes.collect(), ..Resource::default() }
}

/// Returns the instrumentation scope: this program and its version.
pub(super) fn scope() -> InstrumentationScope {
    InstrumentationScope {
        name: "latchkey".to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        ..InstrumentationScope::default()
    }
}
