//! Cookies (RFC 6265 section 4.2.1). Several `cookie` headers are read as one.

use super::SourceValue;
use crate::request::Request;

/// Returns the value of a cookie, whose name is in lower case, if it occurs once.
pub(super) fn find<'a>(request: &'a Request<'_>, name: &str) -> SourceValue<'a> {
    let mut found = SourceValue::Absent;
    for cookies in request.values("cookie") {
        let matching = cookies.split(|b| *b == b';').filter(|pair| has_name(pair, name));
        for pair in matching {
            if found != SourceValue::Absent {
                return SourceValue::Multiple;
            }
            found = value(pair);
        }
    }
    found
}

fn has_name(pair: &[u8], name: &str) -> bool {
    let end = pair.iter().position(|b| *b == b'=').unwrap_or(pair.len());
    pair[..end].trim_ascii().eq_ignore_ascii_case(name.as_bytes())
}

fn value(pair: &[u8]) -> SourceValue<'_> {
    let Some(begin) = pair.iter().position(|b| *b == b'=') else { return SourceValue::Absent };
    let Ok(text) = std::str::from_utf8(pair[begin + 1..].trim_ascii()) else { return SourceValue::NotText };
    let quoted = text.strip_prefix('"').and_then(|t| t.strip_suffix('"'));
    match quoted.unwrap_or(text) {
        text if text.contains(',') => SourceValue::Multiple,
        text => SourceValue::text(text),
    }
}

/// Returns the cookies of a request without these names. Returns `None` if there is nothing to remove, and an empty
/// text if no cookie remains.
pub(crate) fn without_cookies(values: &[&[u8]], names: &[Box<str>]) -> Option<String> {
    let mut kept: Vec<&str> = Vec::new();
    let mut removed = false;
    for pair in values.iter().flat_map(|v| v.split(|b| *b == b';')) {
        let text = std::str::from_utf8(pair).ok();
        // A cookie that is not a text cannot be set as a header value, so it is removed too.
        match text.filter(|_| !names.iter().any(|name| has_name(pair, name))) {
            Some(text) if text.trim().is_empty() => {}
            Some(text) => kept.push(text.trim()),
            None => removed = true,
        }
    }
    removed.then(|| kept.join("; "))
}
