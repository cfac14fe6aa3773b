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

/// Returns the subprotocols of a request without the keys after these names, wherever they are in the list. Returns
/// `None` if there is nothing to remove, and an empty text if no subprotocol remains.
pub(crate) fn without_subprotocols(values: &[&[u8]], names: &[Box<str>]) -> Option<String> {
    let all = || values.iter().copied();
    let mut secret: Vec<&[u8]> = Vec::new();
    for element in names.iter().flat_map(|name| elements(all(), name)) {
        if let Some(key) = element.key {
            secret.extend([element.text, key]);
        }
    }
    secret.sort_unstable();
    secret.dedup();
    let is_name = |text: &[u8]| names.iter().any(|name| !name.ends_with('.') && name.as_bytes() == text);
    let kept = elements(all(), "").into_iter().map(|element| element.text);
    let kept: Vec<&[u8]> = kept.filter(|text| is_name(text) || secret.binary_search(text).is_err()).collect();
    let kept: Vec<&str> = kept.iter().filter_map(|text| std::str::from_utf8(text).ok()).collect();
    (!secret.is_empty()).then(|| kept.join(", "))
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
        assert_eq!(rest("bearer.", "bearer.").as_deref(), Some(""));
        assert_eq!(rest("chat, superchat", "bearer"), None);
    }

    #[test]
    fn every_copy_of_the_key_is_removed() {
        let rest = |values: &[&[u8]], names: &[&str]| {
            let names: Vec<Box<str>> = names.iter().map(|name| (*name).into()).collect();
            without_subprotocols(values, &names)
        };
        assert_eq!(rest(&[b"bearer, K, K"], &["bearer"]).as_deref(), Some("bearer"));
        assert_eq!(rest(&[b"K, chat", b"bearer, K"], &["bearer"]).as_deref(), Some("chat, bearer"));
        assert_eq!(rest(&[b"K, bearer.K, chat, bearer.K"], &["bearer."]).as_deref(), Some("chat"));
        assert_eq!(rest(&[b"bearer, bearer"], &["bearer"]).as_deref(), Some("bearer, bearer"));
        let both = ["bearer", "token"];
        assert_eq!(rest(&[b"bearer, token, K"], &both).as_deref(), Some("bearer, token"));
    }
}
