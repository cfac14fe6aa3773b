//! Names of the fields of an RPC's request that hold a value of the wrong type or format, such as a time after the year
//! 9999. The error of the whole request does not say which field it is about.

use prost_reflect::{DynamicMessage, Kind, MessageDescriptor};
use serde_json::Value;

/// Description of a valid `google.protobuf.Timestamp`.
const TIME: &str = "must be a time from 0001-01-01T00:00:00Z to 9999-12-31T23:59:59.999999999Z, \
                    such as 2027-01-31T12:00:00Z";
/// Description of a valid `google.protobuf.Duration`, in the units of an endpoint.
const DURATION: &str =
    "must be a duration of at most 315,576,000,000 seconds (3,652,500 days), such as 30s, 15m, 24h or 365d";

/// Returns the path of each field that cannot be read, with a description of the values that can.
pub(super) fn invalid_fields(message: &MessageDescriptor, request: &Value) -> Vec<(String, String)> {
    let mut invalid = Vec::new();
    collect(message, request, "", &mut invalid);
    invalid
}

fn collect(message: &MessageDescriptor, value: &Value, prefix: &str, invalid: &mut Vec<(String, String)>) {
    let Value::Object(fields) = value else { return };
    for (name, value) in fields {
        let Some(field) = message.get_field_by_name(name) else { continue };
        let path = format!("{prefix}{name}");
        let kind = field.kind();
        match &kind {
            Kind::Message(inner) if value.is_object() && !field.is_map() => {
                collect(inner, value, &format!("{path}."), invalid);
            }
            _ if is_readable(message, name, value) => {}
            _ => invalid.push((path, description(&kind).to_owned())),
        }
    }
}

/// Returns true if a message with this field alone can be read.
fn is_readable(message: &MessageDescriptor, name: &str, value: &Value) -> bool {
    let single = Value::Object(std::iter::once((name.to_owned(), value.clone())).collect());
    DynamicMessage::deserialize(message.clone(), &single).is_ok()
}

fn description(kind: &Kind) -> &'static str {
    match kind {
        Kind::Message(inner) if inner.full_name() == "google.protobuf.Timestamp" => TIME,
        Kind::Message(inner) if inner.full_name() == "google.protobuf.Duration" => DURATION,
        _ => "has the wrong type or format",
    }
}

#[cfg(test)]
mod tests {
    use prost_reflect::DescriptorPool;
    use serde_json::json;

    use super::*;

    fn invalid(message: &str, request: &Value) -> Vec<(String, String)> {
        let pool = DescriptorPool::decode(latchkey_proto::FILE_DESCRIPTOR_SET).unwrap();
        invalid_fields(&pool.get_message_by_name(message).unwrap(), request)
    }

    #[test]
    fn a_time_or_duration_out_of_range_is_named_with_the_largest_value() {
        for ttl in ["315576000001s", "99999999999999999999s", "18446744073709551615d", "soon", ""] {
            let request = json!({ "name": "a", "ttl": ttl });
            let fields = invalid("latchkey.v1.CreateKeyRequest", &request);
            assert_eq!(fields, [("ttl".to_owned(), DURATION.to_owned())], "{ttl:?}");
        }
        for time in ["10000-01-01T00:00:00Z", "+10000-01-01T00:00:00Z", "9999-12-31T23:59:59-01:00", "never"]
        {
            let request = json!({ "name": "a", "expire_time": time });
            let fields = invalid("latchkey.v1.CreateKeyRequest", &request);
            assert_eq!(fields, [("expire_time".to_owned(), TIME.to_owned())], "{time:?}");
        }
    }

    #[test]
    fn the_largest_values_are_valid() {
        let request = json!({ "name": "a", "ttl": "315576000000s" });
        assert_eq!(invalid("latchkey.v1.CreateKeyRequest", &request), []);
        let request = json!({ "bindings": { "a": "b" }, "expire_time": "9999-12-31T23:59:59.999999999Z" });
        assert_eq!(invalid("latchkey.v1.CreateKeyRequest", &request), []);
    }

    #[test]
    fn a_nested_field_is_named_by_its_path() {
        let request = json!({ "password": { "email": "a", "password": 1 }, "ttl": "1s", "unknown": 1 });
        let fields = invalid("latchkey.v1.IssueJwtRequest", &request);
        assert_eq!(fields, [("password.password".to_owned(), "has the wrong type or format".to_owned())]);
    }
}
