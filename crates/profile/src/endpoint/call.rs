//! Values of an endpoint's call for its templates.

use std::borrow::Cow;

use latchkey_core::route::{Route, decode_segment};
use latchkey_core::time::LONGEST_DURATION;
use serde_json::Value;

use super::flaw::{Flaw, label};
use crate::contract::FieldType;
use crate::request::Request;
use crate::source::{Source, SourceReader, SourceValue};
use crate::status_text::status_text;
use crate::template::EndpointName;

/// Values of an endpoint's call.
#[derive(Clone, Copy)]
pub(crate) struct EndpointValues<'a> {
    pub(crate) request: &'a dyn RequestSource,
    pub(crate) path: &'a str,
    pub(crate) route: Option<&'a Route>,
    pub(crate) resources: &'a [(Box<str>, Source)],
    pub(crate) body: &'a Value,
    pub(crate) answer: &'a Value,
    pub(crate) item: Option<&'a Value>,
    pub(crate) items: &'a str,
    pub(crate) code: &'a str,
    pub(crate) message: &'a str,
    pub(crate) status: u16,
}

/// An HTTP request as a source of values, without the request's lifetimes.
pub(crate) trait RequestSource {
    /// Writes the value of a source; writes nothing if there is none.
    ///
    /// # Errors
    ///
    /// Returns the flaw of a value that is there and is not exactly one text.
    fn write(&self, source: &Source, out: &mut String) -> Result<(), Flaw>;
}

impl RequestSource for Request<'_> {
    fn write(&self, source: &Source, out: &mut String) -> Result<(), Flaw> {
        match SourceReader::new(self).value(source) {
            SourceValue::Text(text) => out.push_str(text),
            SourceValue::Absent => {}
            SourceValue::Empty => return Err(Flaw::Empty),
            SourceValue::Multiple => return Err(Flaw::Multiple),
            SourceValue::NotText => return Err(Flaw::NotText),
            SourceValue::Unreadable => return Err(Flaw::Unreadable),
        }
        Ok(())
    }
}

/// An absent request.
impl RequestSource for () {
    fn write(&self, _: &Source, _: &mut String) -> Result<(), Flaw> {
        Ok(())
    }
}

static NULL: Value = Value::Null;

impl<'a> EndpointValues<'a> {
    pub(crate) fn new(request: &'a dyn RequestSource, path: &'a str, body: &'a Value) -> Self {
        let (answer, item, items, code, message) = (&NULL, None, "", "", "");
        Self {
            request,
            path,
            route: None,
            resources: &[],
            body,
            answer,
            item,
            items,
            code,
            message,
            status: 0,
        }
    }

    /// Returns the source in the request that a name stands for, if it stands for one.
    fn source(&self, name: &EndpointName) -> Option<Cow<'a, Source>> {
        match name {
            EndpointName::Query(name) => Some(Cow::Owned(Source::Query(name.clone()))),
            EndpointName::Header(name) => Some(Cow::Owned(Source::Header(name.clone()))),
            EndpointName::Resource(name) => {
                let (_, source) = self.resources.iter().find(|(n, _)| n == name)?;
                Some(Cow::Borrowed(source))
            }
            EndpointName::Path(_)
            | EndpointName::Body(..)
            | EndpointName::Answer(..)
            | EndpointName::Item(..)
            | EndpointName::Items
            | EndpointName::Code
            | EndpointName::Message
            | EndpointName::Status
            | EndpointName::StatusText => None,
        }
    }

    /// Returns the flaw of the value in the request that a name stands for, if it has one.
    pub(crate) fn flaw(&self, name: &EndpointName) -> Option<Flaw> {
        self.request.write(&*self.source(name)?, &mut String::new()).err()
    }

    /// Returns the part of the HTTP request that a name stands for, in words for its sender.
    pub(crate) fn label(&self, name: &EndpointName) -> String {
        label(name, self.resources)
    }

    /// Writes the value of a name; writes nothing if there is none, or none that is exactly one text.
    pub(crate) fn write(&self, name: &EndpointName, out: &mut String) {
        match name {
            EndpointName::Path(name) => {
                let place = self.route.and_then(|route| route.pattern.place(name));
                let text = place.and_then(|place| place.value(self.path)).unwrap_or_default();
                out.push_str(&decode_segment(text));
            }
            EndpointName::Query(_) | EndpointName::Header(_) | EndpointName::Resource(_) => {
                if let Some(source) = self.source(name) {
                    let _ = self.request.write(&source, out);
                }
            }
            EndpointName::Body(name, field_type) => push_value(self.body.get(&**name), *field_type, out),
            EndpointName::Answer(path, field_type) => {
                push_value(at_path(self.answer, path), *field_type, out);
            }
            EndpointName::Item(path, field_type) => {
                push_value(self.item.and_then(|i| at_path(i, path)), *field_type, out);
            }
            EndpointName::Items => out.push_str(self.items),
            EndpointName::Code => out.push_str(self.code),
            EndpointName::Message => out.push_str(self.message),
            EndpointName::Status => out.push_str(&self.status.to_string()),
            EndpointName::StatusText => out.push_str(status_text(self.status)),
        }
    }
}

fn at_path<'v>(value: &'v Value, path: &[Box<str>]) -> Option<&'v Value> {
    path.iter().try_fold(value, |at, part| at.get(&**part))
}

fn push_value(value: Option<&Value>, field_type: FieldType, out: &mut String) {
    match (value, field_type) {
        (Some(Value::String(text)), FieldType::Time) => out.push_str(&rfc3339_millis(text)),
        // A duration in JSON is a number of seconds and an "s"; only the number is written.
        (Some(Value::String(text)), FieldType::Duration) => out.push_str(text.trim_end_matches('s')),
        (Some(Value::String(text)), _) => out.push_str(text),
        (Some(Value::Number(number)), _) => out.push_str(&number.to_string()),
        (Some(Value::Array(items)), _) => {
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push(' ');
                }
                out.push_str(item.as_str().unwrap_or_default());
            }
        }
        (Some(Value::Bool(flag)), FieldType::Flag) => out.push_str(if *flag { "true" } else { "false" }),
        (Some(Value::Bool(_) | Value::Object(_) | Value::Null) | None, _) => {}
    }
}

/// Returns a time of RFC 3339 in UTC with exactly three digits after the second.
pub(crate) fn rfc3339_millis(time: &str) -> String {
    let plain = time.trim_end_matches('Z');
    let (seconds, fraction) = plain.split_once('.').unwrap_or((plain, ""));
    format!("{seconds}.{:0<3}Z", fraction.get(..fraction.len().min(3)).unwrap_or_default())
}

/// Returns a duration (`30s`, `15m`, `24h`, `365d`) in seconds.
pub(super) fn seconds(text: &str) -> Option<u64> {
    let (count, unit) = count_and_unit(text)?;
    count.parse::<u64>().ok()?.checked_mul(unit)
}

/// Returns true if a text has the form of a duration, and is longer than any RPC accepts.
pub(crate) fn is_too_long(text: &str) -> bool {
    count_and_unit(text).is_some() && seconds(text).is_none_or(|s| s > LONGEST_DURATION.as_secs())
}

/// Returns the digits of a duration's count, and the seconds of its unit.
fn count_and_unit(text: &str) -> Option<(&str, u64)> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (count, unit) = text.split_at(digits);
    let unit = unit_seconds(unit)?;
    (!count.is_empty()).then_some((count, unit))
}

/// Returns the seconds of a duration's unit.
pub(super) fn unit_seconds(unit: &str) -> Option<u64> {
    match unit {
        "s" | "" => Some(1),
        "m" => Some(60),
        "h" => Some(3_600),
        "d" => Some(86_400),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use latchkey_core::time::Timestamp;

    use super::*;

    #[test]
    fn a_time_is_written_to_the_millisecond() {
        for (given, expected) in [
            ("2026-02-23T14:00:00Z", "2026-02-23T14:00:00.000Z"),
            ("2026-02-23T14:00:00.5Z", "2026-02-23T14:00:00.500Z"),
            ("2026-02-23T14:00:00.123456Z", "2026-02-23T14:00:00.123Z"),
        ] {
            assert_eq!(rfc3339_millis(given), expected);
        }
        assert_eq!(rfc3339_millis(&Timestamp(0).to_string()), "1970-01-01T00:00:00.000Z");
    }

    #[test]
    fn a_duration_is_too_long_from_10_000_years_on() {
        for short in ["0s", "315576000000", "315576000000s", "3652500d", "1.5s", "soon", "-1s", ""] {
            assert!(!is_too_long(short), "{short}");
        }
        for long in ["315576000001s", "3652501d", "18446744073709551615d", "99999999999999999999"] {
            assert!(is_too_long(long), "{long}");
        }
    }
}
