//! Headers. Envoy joins the occurrences of one header with commas unless it is told to send them one by
//! one, so a comma means two values as much as two entries do.

use super::SourceValue;
use crate::request::Request;

/// The only value of a header.
fn single_value<'a>(request: &'a Request<'_>, name: &str) -> SourceValue<'a> {
    let mut values = request.values(name);
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
        SourceValue::Text(_) | SourceValue::Absent | SourceValue::Multiple | SourceValue::NotText => found,
    }
}

/// The whole value.
pub(super) fn whole<'a>(request: &'a Request<'_>, name: &str) -> SourceValue<'a> {
    reject_list(single_value(request, name))
}

/// The value behind a scheme and its spaces (RFC 9110 section 11.4); absent under another scheme.
pub(super) fn after_scheme<'a>(request: &'a Request<'_>, name: &str, scheme: &str) -> SourceValue<'a> {
    let found = single_value(request, name);
    let SourceValue::Text(value) = found else { return found };
    let (word, rest) = value.split_once(' ').unwrap_or((value, ""));
    if word.eq_ignore_ascii_case(scheme) {
        return reject_list(SourceValue::text(rest.trim_start_matches(' ')));
    }
    // Behind another scheme, a comma may stand for that scheme's parameters or for a second value of ours.
    let hidden = value.split(',').any(|part| {
        let part = part.trim_start();
        part.split(' ').next().is_some_and(|word| word.eq_ignore_ascii_case(scheme))
    });
    if hidden { SourceValue::Multiple } else { SourceValue::Absent }
}
