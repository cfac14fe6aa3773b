//! What an endpoint was asked and is answered, as its templates see it.

use std::fmt;

use latchkey_core::route::{Route, segment};
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::Value;

use crate::contract::Shape;
use crate::request::Request;
use crate::source::{Found, Looker, Source};
use crate::template::{Called, View};

/// A field of a JSON body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BodyField {
    pub(crate) name: Box<str>,
    /// Text, Texts or Number.
    pub(crate) shape: Shape,
    pub(crate) needed: bool,
}

/// One call of an endpoint.
#[derive(Clone, Copy)]
pub(crate) struct Call<'a> {
    pub(crate) request: &'a dyn Sent,
    pub(crate) path: &'a str,
    pub(crate) route: Option<&'a Route>,
    pub(crate) resources: &'a [(Box<str>, Source)],
    pub(crate) body: &'a Value,
    pub(crate) answer: &'a Value,
    pub(crate) item: Option<&'a Value>,
    pub(crate) items: &'a str,
    pub(crate) code: &'a str,
    pub(crate) message: &'a str,
}

/// What was sent, without the lifetimes that a request has.
pub(crate) trait Sent {
    /// Writes what is in a place; nothing where that is not one text.
    fn write(&self, source: &Source, out: &mut String);
}

impl Sent for Request<'_> {
    fn write(&self, source: &Source, out: &mut String) {
        if let Found::Text(text) = Looker::new(self).find(source) {
            out.push_str(text);
        }
    }
}

/// Nothing was.
impl Sent for () {
    fn write(&self, _: &Source, _: &mut String) {}
}

static NOTHING: Value = Value::Null;

impl<'a> Call<'a> {
    pub(crate) fn new(request: &'a dyn Sent, path: &'a str, body: &'a Value) -> Self {
        let (answer, item, items, code, message) = (&NOTHING, None, "", "", "");
        Self { request, path, route: None, resources: &[], body, answer, item, items, code, message }
    }

    /// Writes a value; nothing where there is none.
    pub(crate) fn write(&self, name: &Called, view: &View<'_>, out: &mut String) {
        match name {
            Called::Path(name) => {
                let place = self.route.and_then(|route| route.pattern.place(name));
                out.push_str(place.and_then(|place| segment(self.path, place)).unwrap_or_default());
            }
            Called::Query(name) => self.request.write(&Source::Query(name.clone()), out),
            Called::Header(name) => self.request.write(&Source::Header(name.clone()), out),
            Called::Resource(name) => {
                if let Some((_, source)) = self.resources.iter().find(|(n, _)| n == name) {
                    self.request.write(source, out);
                }
            }
            Called::Body(name, shape) => show(self.body.get(&**name), *shape, out),
            Called::Answer(path, shape) => show(inside(self.answer, path), *shape, out),
            Called::Item(path, shape) => show(self.item.and_then(|i| inside(i, path)), *shape, out),
            Called::Items => out.push_str(self.items),
            Called::Code => out.push_str(self.code),
            Called::Message => out.push_str(self.message),
            Called::Now => out.push_str(&to_the_millisecond(&view.facts.now.to_string())),
        }
    }
}

fn inside<'v>(value: &'v Value, path: &[Box<str>]) -> Option<&'v Value> {
    path.iter().try_fold(value, |at, part| at.get(&**part))
}

fn show(value: Option<&Value>, shape: Shape, out: &mut String) {
    match (value, shape) {
        (Some(Value::String(text)), Shape::Time) => out.push_str(&to_the_millisecond(text)),
        // A duration in JSON is a number of seconds and an "s"; what is shown is the number.
        (Some(Value::String(text)), Shape::Duration) => out.push_str(text.trim_end_matches('s')),
        (Some(Value::String(text)), _) => out.push_str(text),
        (Some(Value::Number(number)), _) => out.push_str(&number.to_string()),
        (Some(Value::Array(items)), _) => {
            for (place, item) in items.iter().enumerate() {
                if place > 0 {
                    out.push(' ');
                }
                out.push_str(item.as_str().unwrap_or_default());
            }
        }
        (Some(Value::Bool(_) | Value::Object(_) | Value::Null) | None, _) => {}
    }
}

/// A moment of RFC 3339 in UTC, always with three digits behind the second.
fn to_the_millisecond(moment: &str) -> String {
    let plain = moment.trim_end_matches('Z');
    let (seconds, fraction) = plain.split_once('.').unwrap_or((plain, ""));
    format!("{seconds}.{:0<3}Z", fraction.get(..fraction.len().min(3)).unwrap_or_default())
}

/// `30s`, `15m`, `24h`, `365d` in seconds.
pub(super) fn seconds(text: &str) -> Option<u64> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (count, unit) = text.split_at(digits);
    let unit = match unit {
        "s" | "" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => return None,
    };
    count.parse::<u64>().ok()?.checked_mul(unit)
}

/// The fields of a body; or everything that is wrong with it.
pub(super) fn body(fields: &[BodyField], bytes: &[u8]) -> Result<Value, Vec<String>> {
    if fields.is_empty() {
        return Ok(Value::Null);
    }
    let read: Value = serde_json::from_slice(bytes).map_err(|_| vec!["The body is not JSON.".to_owned()])?;
    let Value::Object(mut read) = read else {
        return Err(vec!["The body is not a JSON object.".to_owned()]);
    };
    let (mut kept, mut wrong) = (serde_json::Map::new(), Vec::new());
    let Names(names) = serde_json::from_slice(bytes).unwrap_or_default();
    for field in fields {
        if names.iter().filter(|name| **name == *field.name).count() > 1 {
            wrong.push(format!("{} is there twice.", field.name));
        }
        match (read.remove(&*field.name), field.shape) {
            (None | Some(Value::Null), _) if !field.needed => {}
            (None | Some(Value::Null), _) => wrong.push(format!("{} is required.", field.name)),
            (Some(Value::String(text)), Shape::Text) if text.is_empty() && field.needed => {
                wrong.push(format!("{} must not be empty.", field.name));
            }
            (Some(value), shape) if fits(&value, shape) => drop(kept.insert(field.name.to_string(), value)),
            (Some(_), shape) => {
                let what = match shape {
                    Shape::Texts => "a list of strings",
                    Shape::Number => "a whole number",
                    Shape::Text | Shape::Map | Shape::Duration | Shape::Time => "a string",
                };
                wrong.push(format!("{} must be {what}.", field.name));
            }
        }
    }
    if wrong.is_empty() { Ok(Value::Object(kept)) } else { Err(wrong) }
}

/// The names of an object, each as often as it is there: which of two values another reader takes, nobody knows.
#[derive(Default)]
struct Names(Vec<String>);

impl<'de> Deserialize<'de> for Names {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Self::default())
    }
}

impl<'de> Visitor<'de> for Names {
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

fn fits(value: &Value, shape: Shape) -> bool {
    match (value, shape) {
        (Value::Array(items), Shape::Texts) => items.iter().all(Value::is_string),
        (Value::Number(number), Shape::Number) => number.is_u64(),
        (Value::String(_), Shape::Text) => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use latchkey_core::time::Timestamp;

    use super::*;

    #[test]
    fn a_moment_is_told_to_the_millisecond() {
        for (given, told) in [
            ("2026-02-23T14:00:00Z", "2026-02-23T14:00:00.000Z"),
            ("2026-02-23T14:00:00.5Z", "2026-02-23T14:00:00.500Z"),
            ("2026-02-23T14:00:00.123456Z", "2026-02-23T14:00:00.123Z"),
        ] {
            assert_eq!(to_the_millisecond(given), told);
        }
        assert_eq!(to_the_millisecond(&Timestamp(0).to_string()), "1970-01-01T00:00:00.000Z");
    }

    #[test]
    fn everything_that_is_wrong_with_a_body_is_told() {
        let field = |name: &str, shape, needed| BodyField { name: name.into(), shape, needed };
        let fields = [
            field("name", Shape::Text, true),
            field("days", Shape::Number, false),
            field("list", Shape::Texts, false),
        ];
        let wrong = |text: &str| body(&fields, text.as_bytes()).unwrap_err().join(" ");
        assert_eq!(wrong("{"), "The body is not JSON.");
        assert_eq!(wrong("[]"), "The body is not a JSON object.");
        let all = "name is required. days must be a whole number. list must be a list of strings.";
        assert_eq!(wrong(r#"{"days": 1.5, "list": [1]}"#), all);
        assert_eq!(wrong(r#"{"name": ""}"#), "name must not be empty.");
        assert_eq!(wrong(r#"{"name": "a", "n\u0061me": "b", "more": 1, "more": 2}"#), "name is there twice.");
        let read = body(&fields, br#"{"name": "{{ key }}", "more": 1, "days": null}"#).unwrap();
        assert_eq!(read.to_string(), r#"{"name":"{{ key }}"}"#);
    }
}
