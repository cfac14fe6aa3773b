//! The query, percent-decoded. A parameter that is there twice is ambiguous, however its name is spelled.

use std::borrow::Cow;

use super::SourceValue;
use crate::request::Request;

/// The only parameter of this name (in lower case).
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

/// The names in a query that mean this parameter, as they are spelled there: what a proxy that compares
/// letter by letter has to be told to remove it.
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

/// A part of a query in plain; none where it is no text.
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
