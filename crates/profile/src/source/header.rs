//! Headers. Envoy joins the occurrences of one header with commas unless it is told to send them one by
//! one, so a comma means two values as much as two entries do.

use super::Found;
use crate::request::Request;

/// The only value of a header.
fn only<'a>(request: &'a Request<'_>, name: &str) -> Found<'a> {
    let mut values = request.values(name);
    let Some(value) = values.next() else { return Found::Absent };
    if values.next().is_some() {
        return Found::Several;
    }
    match std::str::from_utf8(value) {
        Ok(text) => Found::text(text),
        Err(_) => Found::Unreadable,
    }
}

fn single(found: Found<'_>) -> Found<'_> {
    match found {
        Found::Text(text) if text.contains(',') => Found::Several,
        Found::Text(_) | Found::Absent | Found::Several | Found::Unreadable => found,
    }
}

/// The whole value.
pub(super) fn whole<'a>(request: &'a Request<'_>, name: &str) -> Found<'a> {
    single(only(request, name))
}

/// The value behind a scheme and its spaces (RFC 9110 section 11.4); absent under another scheme.
pub(super) fn behind<'a>(request: &'a Request<'_>, name: &str, scheme: &str) -> Found<'a> {
    let found = only(request, name);
    let Found::Text(value) = found else { return found };
    let (word, rest) = value.split_once(' ').unwrap_or((value, ""));
    if word.eq_ignore_ascii_case(scheme) {
        return single(Found::text(rest.trim_start_matches(' ')));
    }
    // Behind another scheme, a comma may stand for that scheme's parameters or for a second value of ours.
    let hidden = value.split(',').any(|part| {
        let part = part.trim_start();
        part.split(' ').next().is_some_and(|word| word.eq_ignore_ascii_case(scheme))
    });
    if hidden { Found::Several } else { Found::Absent }
}
