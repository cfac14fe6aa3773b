//! Query parameters, percent-decoded. A parameter that occurs twice is ambiguous in every spelling of its name, and so
//! is one that only a part of the servers finds: as a list, or between semicolons.

use std::borrow::Cow;
use std::collections::BTreeSet;

use super::SourceValue;
use super::parameter::{Match, compare, decode, decode_leniently};
use crate::request::Request;

/// A parameter as it is spelled in a query.
struct Pair<'a> {
    name: &'a str,
    value: &'a str,
    /// True if only servers that separate parameters by `;`, or do not end a query at `#`, find this one.
    hidden: bool,
}

/// Returns the value of a parameter, whose name is in lower case, if it occurs once.
pub(super) fn find<'a>(request: &'a Request<'_>, name: &str) -> SourceValue<'a> {
    combine(request, name, |_, _| SourceValue::Multiple)
}

/// Returns the value of a parameter that may occur several times, if all values are equal.
pub(super) fn find_equal<'a>(request: &'a Request<'_>, name: &str) -> SourceValue<'a> {
    combine(request, name, SourceValue::and)
}

/// Returns the value of a parameter; `again` is the value of two occurrences.
fn combine<'a>(
    request: &'a Request<'_>,
    name: &str,
    again: impl Fn(SourceValue<'a>, SourceValue<'a>) -> SourceValue<'a>,
) -> SourceValue<'a> {
    if is_in_path(request.path, name) {
        return SourceValue::Multiple;
    }
    let mut found = SourceValue::Absent;
    for pair in pairs(request.query()) {
        match matches(pair.name, name) {
            Match::No => {}
            Match::Value if !pair.hidden => {
                let value = value(request, pair.value);
                found = if found == SourceValue::Absent { value } else { again(found, value) };
            }
            Match::Value | Match::List => return SourceValue::Multiple,
        }
    }
    found
}

/// Returns true if servers that decode a path before they look for its query find a parameter of this name there.
fn is_in_path(path: &str, name: &str) -> bool {
    let path = path.split('?').next().unwrap_or_default();
    let Some((_, query)) = path.split_once("%3F").or_else(|| path.split_once("%3f")) else { return false };
    let decoded = decode(query).map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    decoded.is_some_and(|query| pairs(&query).any(|pair| matches(pair.name, name) != Match::No))
}

fn value<'a>(request: &'a Request<'_>, value: &'a str) -> SourceValue<'a> {
    if value.contains([';', '#']) {
        return SourceValue::Multiple;
    }
    match decode(value) {
        Some(Cow::Borrowed(_)) => SourceValue::text(value),
        Some(Cow::Owned(bytes)) => match String::from_utf8(bytes) {
            Ok(text) if text.is_empty() => SourceValue::Empty,
            Ok(text) => SourceValue::Text(request.arena.keep(text)),
            Err(_) => SourceValue::NotText,
        },
        None => SourceValue::NotText,
    }
}

/// Returns a path with its query, without the parameters of these names in any spelling. All other bytes stay as they
/// are. Returns `None` if there is nothing to remove.
pub(crate) fn without_parameters(path: &str, names: &[Box<str>]) -> Option<String> {
    if names.is_empty() {
        return None;
    }
    let (path, query) = path.split_once('?')?;
    let named = |part: &str| {
        let name = part.split_once('=').map_or(part, |(name, _)| name);
        names.iter().any(|wanted| matches(name, wanted) != Match::No)
    };
    let mut kept = String::with_capacity(query.len());
    let mut removed = false;
    let mut begin = 0;
    // Each part is kept with the separator before it.
    for end in query.match_indices(['&', ';', '#']).map(|(at, _)| at).chain([query.len()]) {
        let part = query[begin..end].trim_start_matches(['&', ';', '#']);
        if named(part) {
            removed = true;
        } else {
            kept.push_str(&query[begin..end]);
        }
        begin = end;
    }
    let rest = if query.starts_with('&') { &kept } else { kept.strip_prefix(['&', ';']).unwrap_or(&kept) };
    removed.then(|| if rest.is_empty() { path.to_owned() } else { format!("{path}?{rest}") })
}

/// Returns the names of the parameters of a query that are none of these in any spelling, each once and decoded. `names`
/// are in lower case.
pub(crate) fn other_parameters(query: &str, names: &[Box<str>]) -> BTreeSet<String> {
    let mut others = BTreeSet::new();
    for Pair { name, value, hidden } in pairs(query) {
        let empty = name.is_empty() && value.is_empty();
        if hidden || empty || names.iter().any(|wanted| matches(name, wanted) != Match::No) {
            continue;
        }
        let plain = decode(name).map_or_else(|| decode_leniently(name), Cow::into_owned);
        others.insert(String::from_utf8_lossy(&plain).into_owned());
    }
    others
}

fn pairs(query: &str) -> impl Iterator<Item = Pair<'_>> {
    query.split('&').flat_map(|pair| {
        pair.split([';', '#']).enumerate().map(move |(index, part)| {
            // The first part has the value up to the next `&`, as most servers read it.
            let text = if index == 0 { pair } else { part };
            let (name, value) = text.split_once('=').unwrap_or((text, ""));
            Pair { name, value, hidden: index > 0 }
        })
    })
}

/// Compares a spelling with a name in lower case. Only some servers find a parameter whose name has a broken encoding.
fn matches(spelled: &str, name: &str) -> Match {
    match decode(spelled) {
        Some(decoded) => compare(&decoded, name),
        None if compare(&decode_leniently(spelled), name) == Match::No => Match::No,
        None => Match::List,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rest_of_a_query_stays_as_it_is() {
        for (query, rest) in [
            ("key=K", Some("")),
            ("a=1&key=K", Some("?a=1")),
            ("key=K&b=%2f&a=+&flag&x=", Some("?b=%2f&a=+&flag&x=")),
            ("z=1&KEY=K&a=2&k%65y=L&&y", Some("?z=1&a=2&&y")),
            ("a=1;key=K&b", Some("?a=1&b")),
            ("&key=K&b", Some("?&b")),
            ("key[]=K", Some("")),
            ("[key]=K&a=1", Some("?a=1")),
            ("a=1&%5Bkey%5D=K", Some("?a=1")),
            ("]key=K", Some("")),
            ("a=1&%u006bey=K", Some("?a=1")),
            ("100%=K", None),
            ("keys=K", None),
            ("", None),
        ] {
            let found = without_parameters(&format!("/x?{query}"), &["key".into()]);
            assert_eq!(found, rest.map(|rest| format!("/x{rest}")), "{query}");
        }
        assert_eq!(without_parameters("/x", &["key".into()]), None);
    }
}
