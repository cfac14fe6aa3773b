//! WebSocket subprotocols (RFC 6455 section 11.3.4): a browser can set no other header of a WebSocket's handshake.
//! Clients send a key after a name of its own (`bearer, KEY`), or as the rest of a name (`bearer.KEY`).

use super::SourceValue;
use crate::request::Request;

pub(super) const HEADER: &str = "sec-websocket-protocol";

/// A subprotocol of a list, with the key if it holds one.
struct Element<'a> {
    text: &'a [u8],
    key: Option<&'a [u8]>,
}

/// Returns the key that a subprotocol holds, if there is one.
pub(super) fn find<'a>(request: &'a Request<'_>, name: &str) -> SourceValue<'a> {
    let mut found = SourceValue::Absent;
    let elements = elements(request.spelled_values(HEADER), name);
    for key in elements.iter().filter_map(|element| element.key) {
        let value = std::str::from_utf8(key).map_or(SourceValue::NotText, SourceValue::text);
        found = if found == SourceValue::Absent { value } else { found.and(value) };
    }
    found
}

/// Returns the subprotocols of a request without the keys after these names. Returns `None` if there is nothing to
/// remove, and an empty text if no subprotocol remains.
pub(crate) fn without_subprotocols(values: &[&[u8]], names: &[Box<str>]) -> Option<String> {
    let mut removed = false;
    let mut kept: Vec<&[u8]> =
        elements(values.iter().copied(), "").iter().map(|element| element.text).collect();
    for name in names {
        let joined = kept.join(&b", "[..]);
        let texts: Vec<Vec<u8>> = elements(std::iter::once(&joined[..]), name)
            .iter()
            .filter(|element| element.key.is_none())
            .map(|element| element.text.to_vec())
            .collect();
        removed |= texts.len() < kept.len();
        kept.retain(|text| texts.iter().any(|kept| kept == text));
    }
    let kept: Vec<&str> = kept.iter().filter_map(|text| std::str::from_utf8(text).ok()).collect();
    removed.then(|| kept.join(", "))
}

/// Returns the elements of all lists in their order.
fn elements<'a>(values: impl Iterator<Item = &'a [u8]>, name: &str) -> Vec<Element<'a>> {
    let mut all: Vec<Element<'a>> = Vec::new();
    let mut after_name = false;
    for text in values.flat_map(|value| value.split(|b| *b == b',')).map(<[u8]>::trim_ascii) {
        let key = if name.ends_with('.') {
            text.strip_prefix(name.as_bytes())
        } else {
            Some(text).filter(|_| after_name)
        };
        after_name = key.is_none() && !name.is_empty() && text == name.as_bytes();
        all.push(Element { text, key });
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::Header;

    fn key(name: &str, values: &[&str]) -> String {
        let header = |value: &&'static str| Header { name: HEADER.as_bytes(), value: value.as_bytes() };
        let values: Vec<&'static str> = values.iter().map(|value| &*(*value).to_owned().leak()).collect();
        let request = Request { headers: values.iter().map(header).collect(), ..Request::default() };
        match find(&request, name) {
            SourceValue::Text(text) => text.to_owned(),
            SourceValue::Absent => "absent".to_owned(),
            SourceValue::Empty => "empty".to_owned(),
            SourceValue::Multiple => "multiple".to_owned(),
            SourceValue::NotText | SourceValue::Unreadable => "not a text".to_owned(),
        }
    }

    #[test]
    fn the_key_follows_its_name() {
        for (values, expected) in [
            (&["bearer, K"][..], "K"),
            (&["graphql-ws,bearer,K"], "K"),
            (&["bearer", "K"], "K"),
            (&["bearer, bearer"], "bearer"),
            (&["bearer, K, bearer, L"], "multiple"),
            (&["bearer, K, bearer, L, bearer, L"], "multiple"),
            (&["bearer, K", "bearer, K"], "K"),
            (&["bearer,"], "empty"),
            (&["bearer"], "absent"),
            (&["Bearer, K"], "absent"),
            (&["chat"], "absent"),
            (&[], "absent"),
        ] {
            assert_eq!(key("bearer", values), expected, "{values:?}");
        }
        assert_eq!(key("bearer.", &["chat, bearer.K"]), "K");
        assert_eq!(key("bearer.", &["bearer.K, bearer.L"]), "multiple");
    }

    #[test]
    fn only_the_key_is_removed() {
        let rest = |value: &str, name: &str| without_subprotocols(&[value.as_bytes()], &[name.into()]);
        assert_eq!(rest("bearer, K", "bearer").as_deref(), Some("bearer"));
        assert_eq!(
            rest("graphql-ws, bearer, K, other", "bearer").as_deref(),
            Some("graphql-ws, bearer, other")
        );
        assert_eq!(rest("chat, bearer.K", "bearer.").as_deref(), Some("chat"));
        assert_eq!(rest("bearer.K", "bearer.").as_deref(), Some(""));
        assert_eq!(rest("chat, superchat", "bearer"), None);
    }
}
