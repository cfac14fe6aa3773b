//! Cookies (RFC 6265 section 4.2.1). A request may carry them in several headers, which count as one.

use super::Found;
use crate::request::Request;

/// The only cookie of this name (in lower case).
pub(super) fn find<'a>(request: &'a Request<'_>, name: &str) -> Found<'a> {
    let mut found = Found::Absent;
    for cookies in request.values("cookie") {
        let ours = cookies.split(|b| *b == b';').filter(|pair| is(pair, name));
        for pair in ours {
            if found != Found::Absent {
                return Found::Several;
            }
            found = value(pair);
        }
    }
    found
}

fn is(pair: &[u8], name: &str) -> bool {
    let end = pair.iter().position(|b| *b == b'=').unwrap_or(pair.len());
    pair[..end].trim_ascii().eq_ignore_ascii_case(name.as_bytes())
}

fn value(pair: &[u8]) -> Found<'_> {
    let Some(begin) = pair.iter().position(|b| *b == b'=') else { return Found::Absent };
    let Ok(text) = std::str::from_utf8(pair[begin + 1..].trim_ascii()) else { return Found::Unreadable };
    let quoted = text.strip_prefix('"').and_then(|t| t.strip_suffix('"'));
    match quoted.unwrap_or(text) {
        text if text.contains(',') => Found::Several,
        text => Found::text(text),
    }
}

/// The cookies of a request without these: none where there is nothing to take out, an empty text where
/// nothing is left.
pub(crate) fn without_cookies(values: &[&[u8]], names: &[Box<str>]) -> Option<String> {
    let mut kept: Vec<&str> = Vec::new();
    let mut taken = false;
    for pair in values.iter().flat_map(|v| v.split(|b| *b == b';')) {
        let text = std::str::from_utf8(pair).ok();
        // What is no text can't be sent on as we send it, and goes as well.
        match text.filter(|_| !names.iter().any(|name| is(pair, name))) {
            Some(text) if text.trim().is_empty() => {}
            Some(text) => kept.push(text.trim()),
            None => taken = true,
        }
    }
    taken.then(|| kept.join("; "))
}
