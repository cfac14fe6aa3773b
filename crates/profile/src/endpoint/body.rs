//! Validation of the JSON body of an endpoint's call.

use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::Value;

use super::unknown;
use crate::contract::FieldType;

/// A declared field of a JSON body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BodyField {
    pub(crate) name: Box<str>,
    /// `Text`, `TextList`, `Number` or `Flag`.
    pub(crate) field_type: FieldType,
    pub(crate) required: bool,
}

/// Fields of a body that an endpoint does not declare.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum OtherFields {
    /// Refuses them, except those from which the profile reads something else, such as the credential.
    Refuse {
        /// Names of the fields that are not refused.
        except: Vec<Box<str>>,
    },
    /// Ignores them.
    Ignore,
}

/// Returns the declared fields of a body. An endpoint that declares none takes an empty body, and an object without fields:
/// with any other body, its sender asked for something that the call would not do.
///
/// # Errors
///
/// Returns a sentence for each mistake.
pub(super) fn body(fields: &[BodyField], others: &OtherFields, bytes: &[u8]) -> Result<Value, Vec<String>> {
    if fields.is_empty() && (*others == OtherFields::Ignore || matches!(bytes.trim_ascii(), b"" | b"null")) {
        return Ok(Value::Null);
    }
    if bytes.trim_ascii().is_empty() && fields.iter().all(|field| !field.required) {
        return Ok(Value::Object(serde_json::Map::new()));
    }
    let read: Value = serde_json::from_slice(bytes).map_err(|_| vec!["The body is not JSON.".to_owned()])?;
    let Value::Object(mut read) = read else {
        return Err(vec!["The body is not a JSON object.".to_owned()]);
    };
    let (mut accepted, mut problems) = (serde_json::Map::new(), Vec::new());
    let ObjectKeys(names) = serde_json::from_slice(bytes).unwrap_or_default();
    for field in fields {
        if names.iter().filter(|name| **name == *field.name).count() > 1 {
            problems.push(format!("{} is there twice.", field.name));
        }
        match (read.remove(&*field.name), field.field_type) {
            (None | Some(Value::Null), _) if !field.required => {}
            (None | Some(Value::Null), _) => problems.push(format!("{} is required.", field.name)),
            (Some(Value::String(text)), FieldType::Text) if text.is_empty() => {
                problems.push(format!("{} must not be empty.", field.name));
            }
            (Some(value), field_type) if has_type(&value, field_type) => {
                drop(accepted.insert(field.name.to_string(), value));
            }
            (Some(Value::Number(number)), FieldType::Number) if number.is_i64() => {
                problems.push(format!("{} must not be negative.", field.name));
            }
            (Some(_), field_type) => {
                let expected = match field_type {
                    FieldType::TextList => "a list of strings",
                    FieldType::Number => "a whole number",
                    FieldType::Flag => "true or false",
                    FieldType::Text | FieldType::Map | FieldType::Duration | FieldType::Time => "a string",
                };
                problems.push(format!("{} must be {expected}.", field.name));
            }
        }
    }
    if let OtherFields::Refuse { except } = others {
        let extra = read.keys().filter(|name| !except.iter().any(|e| **e == ***name));
        let extra: Vec<&str> = extra.map(String::as_str).collect();
        let known: Vec<&str> = fields.iter().map(|field| &*field.name).collect();
        problems.extend(unknown::sentences("field", &extra, &known));
    }
    if problems.is_empty() { Ok(Value::Object(accepted)) } else { Err(problems) }
}

/// All names of an object, including duplicates. Readers differ in the value that they use for a duplicate name.
#[derive(Default)]
struct ObjectKeys(Vec<String>);

impl<'de> Deserialize<'de> for ObjectKeys {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Self::default())
    }
}

impl<'de> Visitor<'de> for ObjectKeys {
    type Value = Self;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut access: A) -> Result<Self, A::Error> {
        while let Some((name, IgnoredAny)) = access.next_entry()? {
            self.0.push(name);
        }
        Ok(self)
    }
}

fn has_type(value: &Value, field_type: FieldType) -> bool {
    match (value, field_type) {
        (Value::Array(items), FieldType::TextList) => items.iter().all(Value::is_string),
        (Value::Number(number), FieldType::Number) => number.is_u64(),
        (Value::String(_), FieldType::Text) | (Value::Bool(_), FieldType::Flag) => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mistake_in_a_body_is_reported() {
        let field = |name: &str, field_type, required| BodyField { name: name.into(), field_type, required };
        let fields = [
            field("name", FieldType::Text, true),
            field("days", FieldType::Number, false),
            field("list", FieldType::TextList, false),
            field("all", FieldType::Flag, false),
            field("shop", FieldType::Text, false),
        ];
        let others = OtherFields::Refuse { except: vec!["apiKey".into()] };
        let problems = |text: &str| body(&fields, &others, text.as_bytes()).unwrap_err().join(" ");
        assert_eq!(problems("{"), "The body is not JSON.");
        assert_eq!(problems("[]"), "The body is not a JSON object.");
        let all = "name is required. days must be a whole number. list must be a list of strings. \
                   all must be true or false.";
        assert_eq!(problems(r#"{"days": 1.5, "list": [1], "all": "true"}"#), all);
        assert_eq!(problems(r#"{"name": "a", "days": -1}"#), "days must not be negative.");
        assert_eq!(problems(r#"{"name": ""}"#), "name must not be empty.");
        // An optional field too: left out, it would let the call do more than its sender asked for.
        assert_eq!(problems(r#"{"name": "a", "shop": ""}"#), "shop must not be empty.");
        assert!(body(&fields, &others, br#"{"name": "a", "shop": null}"#).is_ok());
        assert_eq!(problems(r#"{"name": "a", "n\u0061me": "b"}"#), "name is there twice.");
        let text = br#"{"name": "{{ key }}", "apiKey": 1, "days": null}"#;
        assert_eq!(body(&fields, &others, text).unwrap().to_string(), r#"{"name":"{{ key }}"}"#);
        let more = br#"{"name": "a", "more": 1}"#;
        assert_eq!(body(&fields, &OtherFields::Ignore, more).unwrap().to_string(), r#"{"name":"a"}"#);
    }

    #[test]
    fn a_request_without_a_body_has_none_of_the_optional_fields() {
        let field = |required| BodyField { name: "overlap".into(), field_type: FieldType::Text, required };
        let others = OtherFields::Refuse { except: Vec::new() };
        for bytes in ["", "\r\n"] {
            assert_eq!(body(&[field(false)], &others, bytes.as_bytes()), Ok(serde_json::json!({})));
            let refused = body(&[field(true)], &others, bytes.as_bytes());
            assert_eq!(refused.unwrap_err(), ["The body is not JSON."]);
        }
    }

    #[test]
    fn a_call_that_reads_no_body_has_none() {
        let others = OtherFields::Refuse { except: vec!["apiKey".into()] };
        for bytes in ["", " ", "null", "{}", r#"{"apiKey": "k"}"#] {
            assert!(body(&[], &others, bytes.as_bytes()).is_ok(), "{bytes}");
        }
        let problems = |text: &str| body(&[], &others, text.as_bytes()).unwrap_err().join(" ");
        assert_eq!(
            problems(r#"{"overlap": "1h"}"#),
            r#""overlap" is not a field of this call; it has none."#
        );
        assert_eq!(problems("overlap=1h"), "The body is not JSON.");
        assert_eq!(body(&[], &OtherFields::Ignore, b"overlap=1h"), Ok(Value::Null));
    }

    #[test]
    fn an_unknown_field_is_named_with_the_nearest_one() {
        let field =
            |name: &str| BodyField { name: name.into(), field_type: FieldType::Text, required: false };
        let fields = [field("name"), field("environment")];
        let others = OtherFields::Refuse { except: Vec::new() };
        let problems = |text: &str| body(&fields, &others, text.as_bytes()).unwrap_err().join(" ");
        for typo in ["enviroment", "Environment", "environmnet", "ENVIRONMENT"] {
            let expected = format!(r#""{typo}" is not a field of this call; did you mean "environment"?"#);
            assert_eq!(problems(&format!(r#"{{"{typo}": "test"}}"#)), expected);
        }
        let none = r#""tenant" is not a field of this call; the fields are name, environment."#;
        assert_eq!(problems(r#"{"tenant": "x"}"#), none);
        let long = "x".repeat(10_000);
        assert!(problems(&format!(r#"{{"{long}": 1}}"#)).len() < 300);
        let many: Vec<String> = (0..100).map(|n| format!(r#""other{n}": 1"#)).collect();
        assert!(problems(&format!("{{{}}}", many.join(","))).ends_with("95 more fields are unknown."));
    }
}
