//! Headers, in every spelling of their hyphens. Envoy joins the occurrences of a header with commas unless it is
//! configured to send them separately, so a comma means several values, like several entries.

use super::SourceValue;
use crate::request::Request;

/// Returns the value of a header if it occurs once.
fn single_value<'a>(request: &'a Request<'_>, name: &str) -> SourceValue<'a> {
    let mut values = request.spelled_values(name);
    let Some(value) = values.next() else { return SourceValue::Absent };
    if values.next().is_some() {
        return SourceValue::Multiple;
    }
    match std::str::from_utf8(value) {
        Ok(text) => SourceValue::text(text),
        Err(_) => SourceValue::NotText,
    }
}

fn reject_list(found: SourceValue<'_>) -> SourceValue<'_> {
    match found {
        SourceValue::Text(text) if text.contains(',') => SourceValue::Multiple,
        SourceValue::Text(_)
        | SourceValue::Absent
        | SourceValue::Empty
        | SourceValue::Multiple
        | SourceValue::NotText
        | SourceValue::Unreadable => found,
    }
}

/// Returns the whole value of a header.
pub(super) fn whole<'a>(request: &'a Request<'_>, name: &str) -> SourceValue<'a> {
    reject_list(single_value(request, name))
}

/// Returns the value after a scheme and its spaces (RFC 9110 section 11.4); absent if the scheme is another one.
pub(super) fn after_scheme<'a>(request: &'a Request<'_>, name: &str, scheme: &str) -> SourceValue<'a> {
    let found = single_value(request, name);
    let SourceValue::Text(value) = found else { return found };
    let (word, rest) = value.split_once(' ').unwrap_or((value, ""));
    if word.eq_ignore_ascii_case(scheme) {
        return reject_list(SourceValue::text(rest.trim_start_matches(' ')));
    }
    // After another scheme, a comma may separate parameters of that scheme or a second value with this scheme.
    let hidden = value.split(',').any(|part| {
        let part = part.trim_start();
        part.split(' ').next().is_some_and(|word| word.eq_ignore_ascii_case(scheme))
    });
    if hidden { SourceValue::Multiple } else { SourceValue::Absent }
}
