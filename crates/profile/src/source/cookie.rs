//! Cookies (RFC 6265 section 4.2.1). Several `cookie` headers are read as one.

use super::SourceValue;
use super::parameter::{Match, compare, decode_leniently};
use crate::request::Request;

/// Returns the value of a cookie, whose name is in lower case, if it occurs once.
pub(super) fn find<'a>(request: &'a Request<'_>, name: &str) -> SourceValue<'a> {
    combine(request, name, |_, _| SourceValue::Multiple)
}

/// Returns the value of a cookie that may occur several times, if all values are equal.
pub(super) fn find_equal<'a>(request: &'a Request<'_>, name: &str) -> SourceValue<'a> {
    combine(request, name, SourceValue::and)
}

/// Returns the value of a cookie; `again` is the value of two occurrences.
fn combine<'a>(
    request: &'a Request<'_>,
    name: &str,
    again: impl Fn(SourceValue<'a>, SourceValue<'a>) -> SourceValue<'a>,
) -> SourceValue<'a> {
    let mut found = SourceValue::Absent;
    for pair in request.spelled_values("cookie").flat_map(|cookies| cookies.split(|b| *b == b';')) {
        match matches(pair, name) {
            Match::Value if found == SourceValue::Absent => found = value(pair),
            Match::Value => found = again(found, value(pair)),
            Match::List => return SourceValue::Multiple,
            Match::No if is_hidden_in(pair, name) => return SourceValue::Multiple,
            Match::No => {}
        }
    }
    found
}

fn matches(pair: &[u8], name: &str) -> Match {
    let end = pair.iter().position(|b| *b == b'=').unwrap_or(pair.len());
    compare(pair[..end].trim_ascii(), name)
}

/// Returns true if another cookie has one of this name to some servers, which separate cookies by commas (RFC 2965
/// section 3.2.2) or white space (Python's `http.cookies`) too, remove white space that is not ASCII's or control
/// characters around a name (Python's `str.strip`, JavaScript's `trim`), decode names, or read `=NAME=VALUE` as
/// `NAME=VALUE`.
fn is_hidden_in(pair: &[u8], name: &str) -> bool {
    let mut parts = pair.split(|b| *b == b',' || !b.is_ascii_graphic());
    parts.any(|part| matches(part, name) != Match::No || is_decoded(part, name))
}

/// Returns true if a cookie has this name after its percent-encoding is undone (PHP, Perl's `CGI::Cookie`, Rust's
/// `cookie`) and equals signs before it are dropped.
fn is_decoded(part: &[u8], name: &str) -> bool {
    let begin = part.iter().position(|b| *b != b'=').unwrap_or(part.len());
    let spelled = part[begin..].split(|b| *b == b'=').next().unwrap_or_default();
    let encoded = |text: &[u8]| text.iter().any(|b| matches!(b, b'%' | b'+'));
    if !encoded(spelled) && !encoded(name.as_bytes()) {
        return begin > 0 && compare(spelled, name) != Match::No;
    }
    let decode = |text: &str| decode_leniently(&text.replace('+', " "));
    let (spelled, name) = (decode(&String::from_utf8_lossy(spelled)), decode(name));
    let name = String::from_utf8_lossy(&name).to_lowercase();
    compare(spelled.trim_ascii(), name.trim_ascii()) != Match::No
}

fn value(pair: &[u8]) -> SourceValue<'_> {
    let Some(begin) = pair.iter().position(|b| *b == b'=') else { return SourceValue::Empty };
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
        let named = |name: &str| matches(pair, name) != Match::No || is_hidden_in(pair, name);
        match text.filter(|_| !names.iter().any(|name| named(name))) {
            Some(text) if text.trim_ascii().is_empty() => {}
            Some(text) => kept.push(text.trim_ascii()),
            None => removed = true,
        }
    }
    removed.then(|| kept.join("; "))
}
