//! Query parameters, percent-decoded. A parameter that occurs twice is ambiguous in every spelling of its name.

use std::borrow::Cow;

use super::SourceValue;
use crate::request::Request;

/// Returns the value of a parameter, whose name is in lower case, if it occurs once.
pub(super) fn find<'a>(request: &'a Request<'_>, name: &str) -> SourceValue<'a> {
    let mut values =
        pairs(request.query()).filter(|(spelled, _)| has_name(spelled, name)).map(|(_, value)| value);
    let (value, None) = (values.next(), values.next()) else { return SourceValue::Multiple };
    let Some(value) = value else { return SourceValue::Absent };
    match decode(value) {
        Some(Cow::Borrowed(text)) => SourceValue::text(text),
        Some(Cow::Owned(text)) => SourceValue::text(request.arena.keep(text)),
        None => SourceValue::NotText,
    }
}

/// Returns all spellings of a parameter's name in a query. A proxy that compares names byte by byte needs them to
/// remove the parameter.
pub(crate) fn spellings<'a>(query: &'a str, name: &str) -> impl Iterator<Item = &'a str> {
    pairs(query).map(|(spelled, _)| spelled).filter(move |spelled| has_name(spelled, name))
}

fn pairs(query: &str) -> impl Iterator<Item = (&str, &str)> {
    let query = query.split('#').next().unwrap_or_default();
    query.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")))
}

fn has_name(spelled: &str, name: &str) -> bool {
    spelled.eq_ignore_ascii_case(name) || decode(spelled).is_some_and(|n| n.eq_ignore_ascii_case(name))
}

/// Decodes a part of a query; returns `None` if it is not a text.
fn decode(part: &str) -> Option<Cow<'_, str>> {
    if !part.bytes().any(|b| matches!(b, b'%' | b'+')) {
        return Some(Cow::Borrowed(part));
    }
    let mut plain = Vec::with_capacity(part.len());
    let mut bytes = part.bytes();
    while let Some(byte) = bytes.next() {
        plain.push(match byte {
            b'+' => b' ',
            b'%' => {
                let mut digit = || bytes.next().and_then(|b| char::from(b).to_digit(16));
                u8::try_from(digit()? * 16 + digit()?).ok()?
            }
            other => other,
        });
    }
    String::from_utf8(plain).ok().map(Cow::Owned)
}
