//! Fields of records in other systems' exports.

use latchkey_proto::v1;
use latchkey_proto::v1::imported_key::Secret;
use prost_types::Timestamp;
use serde_json::Value;

use super::Change;

/// Most characters of a name.
const LONGEST_NAME: usize = 128;
/// Most characters of a value of metadata.
const LONGEST_VALUE: usize = 512;

/// Returns a text field that is present and not empty.
pub(super) fn text<'v>(record: &'v Value, field: &str) -> Option<&'v str> {
    record.get(field).and_then(Value::as_str).filter(|text| !text.trim().is_empty())
}

/// Returns a key with a name and metadata, and what of both is not as in the file. Metadata without a value is left out.
pub(super) fn key(
    secret: Secret,
    name: &str,
    metadata: Vec<(String, String)>,
) -> (v1::ImportedKey, Vec<Change>) {
    let mut changes = Vec::new();
    let name = cut("key.name", name, LONGEST_NAME, &mut changes);
    let mut key = v1::CreateKeyRequest { name, ..v1::CreateKeyRequest::default() };
    for (name, value) in metadata.into_iter().filter(|(_, value)| !value.trim().is_empty()) {
        let field = format!("key.metadata.{name}");
        let value = cut(&field, &value, LONGEST_VALUE, &mut changes);
        if key.metadata.insert(name, value).is_some() {
            let description = "has several values in the file, and takes the last of them".to_owned();
            changes.push(Change { field, description });
        }
    }
    let imported = v1::ImportedKey { secret: Some(secret), key: Some(key), ..v1::ImportedKey::default() };
    (imported, changes)
}

/// Returns the beginning of a text that is too long, and adds the change.
fn cut(field: &str, text: &str, longest: usize, changes: &mut Vec<Change>) -> String {
    let length = text.chars().count();
    if length > longest {
        let description = format!("is cut from {length} to {longest} characters");
        changes.push(Change { field: field.to_owned(), description });
    }
    text.chars().take(longest).collect()
}

/// Returns a scalar as a text; `None` for a list or a table.
pub(super) fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Null => Some(String::new()),
        Value::Array(_) | Value::Object(_) => None,
    }
}

/// Returns a flag: true, false, 1 or 0, also as a text. `None` if it is absent or null.
pub(super) fn flag(record: &Value, field: &str) -> Result<Option<bool>, String> {
    let Some(value) = record.get(field).filter(|value| !value.is_null()) else { return Ok(None) };
    match scalar(value).unwrap_or_default().trim().to_ascii_lowercase().as_str() {
        "true" | "1" => Ok(Some(true)),
        "false" | "0" => Ok(Some(false)),
        _ => Err(format!("{field}: is not true, false, 1 or 0")),
    }
}

/// Returns the texts of a list, separated by spaces.
pub(super) fn list(record: &Value, field: &str) -> String {
    let items = record.get(field).and_then(Value::as_array).into_iter().flatten();
    items.filter_map(scalar).collect::<Vec<_>>().join(" ")
}

/// Seconds after which a number counts as milliseconds: the year 5138.
const LATEST_SECOND: f64 = 100_000_000_000.0;

/// Returns a time: Unix seconds or milliseconds, or a text as in RFC 3339.
pub(super) fn time(record: &Value, field: &str) -> Result<Option<Timestamp>, String> {
    match record.get(field) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Number(number)) => {
            let seconds = number.as_f64().filter(|_| !is_date(&number.to_string())).unwrap_or(f64::NAN);
            unix(seconds).map(Some).ok_or_else(|| format!("{field}: is no Unix time"))
        }
        Some(Value::String(text)) if text.trim().is_empty() => Ok(None),
        Some(Value::String(text)) => {
            parse_time(text).map(Some).map_err(|remedy| format!("{field}: is no time: {remedy}"))
        }
        Some(_) => Err(format!("{field}: is no time")),
    }
}

/// Returns the time that a text says: RFC 3339, a day, or Unix seconds or milliseconds.
pub(super) fn parse_time(text: &str) -> Result<Timestamp, String> {
    let text = text.trim();
    let digits = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    match text.parse().ok().filter(|_| digits && !is_date(text)).and_then(unix) {
        Some(time) => Ok(time),
        None => crate::args::time(text),
    }
}

fn unix(number: f64) -> Option<Timestamp> {
    let seconds = if number.abs() >= LATEST_SECOND { number / 1_000.0 } else { number };
    let time = std::time::Duration::try_from_secs_f64(seconds).ok()?;
    Some(Timestamp {
        seconds: i64::try_from(time.as_secs()).ok()?,
        nanos: i32::try_from(time.subsec_millis() * 1_000_000).ok()?,
    })
}

/// Returns whether digits are those of a date, such as 20270131 or 20270131120000, which would be another Unix time.
fn is_date(digits: &str) -> bool {
    let part = |range: std::ops::Range<usize>| digits.get(range).and_then(|part| part.parse::<u32>().ok());
    matches!(digits.len(), 8 | 12 | 14)
        && part(0..4).is_some_and(|year| (1900..2200).contains(&year))
        && part(4..6).is_some_and(|month| (1..=12).contains(&month))
        && part(6..8).is_some_and(|day| (1..=31).contains(&day))
}
