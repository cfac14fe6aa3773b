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
        SourceValue::Text(text) if has_comma(text) => SourceValue::Multiple,
        SourceValue::Text(_)
        | SourceValue::Absent
        | SourceValue::Empty
        | SourceValue::Multiple
        | SourceValue::NotText
        | SourceValue::Unreadable => found,
    }
}

fn has_comma(text: &str) -> bool {
    memchr::memchr(b',', text.as_bytes()).is_some()
}

/// Returns the whole value of a header.
pub(super) fn whole<'a>(request: &'a Request<'_>, name: &str) -> SourceValue<'a> {
    reject_list(single_value(request, name))
}

/// Returns the whole value of a header that may occur several times, if all values are equal.
pub(super) fn whole_if_equal<'a>(request: &'a Request<'_>, name: &str) -> SourceValue<'a> {
    match single_value(request, name) {
        SourceValue::Text(text) if has_comma(text) => equal_parts(text, Some),
        SourceValue::Multiple => equal_values(request, name, |value| equal_parts(value, Some)),
        found => found,
    }
}

/// Returns the value after a scheme of a header that may occur several times, if all occurrences have this scheme and equal
/// values.
pub(super) fn after_scheme_if_equal<'a>(
    request: &'a Request<'_>,
    name: &str,
    scheme: &str,
) -> SourceValue<'a> {
    let each = |value| equal_parts(value, |part| value_of_scheme(part, scheme));
    match after_scheme(request, name, scheme) {
        SourceValue::Multiple => equal_values(request, name, each),
        found => found,
    }
}

/// Combines all values of a header.
fn equal_values<'a>(
    request: &'a Request<'_>,
    name: &str,
    each: impl Fn(&'a str) -> SourceValue<'a>,
) -> SourceValue<'a> {
    let values = request.spelled_values(name);
    let read = |value: &'a [u8]| std::str::from_utf8(value).map_or(SourceValue::Multiple, &each);
    values.map(read).fold(SourceValue::Absent, SourceValue::and)
}

/// Combines the values in a list that Envoy may have joined with commas. A part without a value makes it several values.
fn equal_parts<'a>(list: &'a str, value: impl Fn(&'a str) -> Option<&'a str>) -> SourceValue<'a> {
    let read = |part: &'a str| match value(part.trim_matches([' ', '\t'])) {
        Some(text) if !text.is_empty() => SourceValue::Text(text),
        Some(_) | None => SourceValue::Multiple,
    };
    list.split(',').map(read).fold(SourceValue::Absent, SourceValue::and)
}

/// Returns the text after a scheme and its spaces; `None` for another scheme.
fn value_of_scheme<'a>(text: &'a str, scheme: &str) -> Option<&'a str> {
    let (word, rest) = text.split_once(' ')?;
    word.eq_ignore_ascii_case(scheme).then(|| rest.trim_start_matches(' '))
}

/// Returns the value after a scheme and its spaces (RFC 9110 section 11.4); absent if the scheme is another one, and
/// unreadable if another white space follows the scheme.
pub(super) fn after_scheme<'a>(request: &'a Request<'_>, name: &str, scheme: &str) -> SourceValue<'a> {
    let found = single_value(request, name);
    let SourceValue::Text(value) = found else { return found };
    let (word, rest) = value.split_once(' ').unwrap_or((value, ""));
    if word.eq_ignore_ascii_case(scheme) {
        return reject_list(SourceValue::text(rest.trim_start_matches(' ')));
    }
    // A server that takes any white space for a space reads a value that this module does not.
    if first_word(value).eq_ignore_ascii_case(scheme) {
        return SourceValue::Unreadable;
    }
    // After another scheme, a comma may separate parameters of that scheme or a second value with this scheme.
    let hidden = value.split(',').any(|part| first_word(part.trim_start()).eq_ignore_ascii_case(scheme));
    if hidden { SourceValue::Multiple } else { SourceValue::Absent }
}

/// Returns the text before the first white space or control character.
fn first_word(text: &str) -> &str {
    text.split(|character: char| !character.is_ascii_graphic()).next().unwrap_or_default()
}
