//! The resource and the scope that describe this process, and attributes of metrics.

use opentelemetry::InstrumentationScope;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_sdk::Resource;

/// Returns a metric's attribute with a string value.
pub(super) fn string_attribute(name: &str, text: impl Into<String>) -> KeyValue {
    let value = Some(AnyValue { value: Some(Value::StringValue(text.into())) });
    KeyValue { key: name.to_owned(), value, ..KeyValue::default() }
}

/// Returns the resource that describes this process. The operator's attributes win over the built-in ones; the
/// environment is not read.
pub(super) fn resource(configured: &[(String, String)], instance: &str) -> Resource {
    let own = [("service.version", env!("CARGO_PKG_VERSION")), ("service.instance.id", instance)];
    let own = own.map(|(name, value)| opentelemetry::KeyValue::new(name, value.to_owned()));
    let configured =
        configured.iter().map(|(name, value)| opentelemetry::KeyValue::new(name.clone(), value.clone()));
    Resource::builder_empty().with_attributes(own).with_attributes(configured).build()
}

/// Returns the instrumentation scope: this program and its version.
pub(super) fn scope() -> InstrumentationScope {
    InstrumentationScope::builder("latchkey").with_version(env!("CARGO_PKG_VERSION")).build()
}
