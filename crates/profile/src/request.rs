//! An HTTP request as input of a profile, borrowed from the message that contains it. No part of it is trusted.

mod headers;

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::OnceLock;

use smallvec::SmallVec;

pub use self::headers::Headers;
pub(crate) use self::headers::is_separator;
use crate::hosts::canonical_host;

/// A single occurrence of a header.
#[derive(Clone, Copy)]
pub struct Header<'a> {
    /// The name in lower case, as bytes, because most names are only compared.
    pub name: &'a [u8],
    /// The value as sent, which may not be a text.
    pub value: &'a [u8],
}

/// An HTTP request. Set the known fields and take the rest from `..Request::default()`.
#[derive(Default)]
pub struct Request<'a> {
    /// The method as sent.
    pub method: &'a str,
    /// The path as sent, with its query.
    pub path: &'a str,
    /// The host as sent, with or without a port.
    pub host: Host<'a>,
    /// The headers.
    pub headers: Headers<'a>,
    /// The body, or the part of it that Envoy sent.
    pub body: Option<&'a [u8]>,
    /// True if the message has two bodies, so that neither can be relied on.
    pub has_two_bodies: bool,
    /// The address of Envoy's peer.
    pub peer: Option<IpAddr>,
    /// True if the request came from `peer` without any proxy, so that no header gives the client's address.
    pub direct: bool,
    /// Values from Envoy's route (`context_extensions`), which no client can set.
    pub context: SmallVec<[(&'a str, &'a str); 4]>,
    /// Storage for decoded values.
    pub arena: TextArena,
}

impl Request<'_> {
    /// Returns the values of all occurrences of a header.
    pub(crate) fn values<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a [u8]> {
        self.headers.named(name).map(|header| header.value)
    }

    /// Returns the values of all occurrences of a header in every spelling of its hyphens.
    pub(crate) fn spelled_values<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a [u8]> {
        self.headers.spelled(name).map(|header| header.value)
    }

    /// Returns the first value of a header, if it is a text.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        std::str::from_utf8(self.headers.named(name).next()?.value).ok()
    }

    /// Returns a value from Envoy's route, if it is not empty.
    pub(crate) fn route_value(&self, name: &str) -> Option<&str> {
        let (_, value) = self.context.iter().find(|(n, _)| *n == name)?;
        Some(*value).filter(|v| !v.is_empty())
    }

    /// Returns the part of the path after the first `?`.
    pub(crate) fn query(&self) -> &str {
        memchr::memchr(b'?', self.path.as_bytes()).map_or("", |mark| &self.path[mark + 1..])
    }
}

/// Host of a request as sent, and its canonical form, which is computed once.
#[derive(Default)]
pub struct Host<'a> {
    sent: &'a str,
    canonical: OnceLock<Option<Cow<'a, str>>>,
}

impl<'a> Host<'a> {
    /// Returns the host as sent.
    #[must_use]
    pub fn sent(&self) -> &'a str {
        self.sent
    }

    /// Returns the host in canonical form; `None` if it has none.
    pub(crate) fn canonical(&self) -> Option<&str> {
        self.canonical.get_or_init(|| canonical_host(self.sent)).as_deref()
    }
}

impl<'a> From<&'a str> for Host<'a> {
    fn from(sent: &'a str) -> Self {
        Self { sent, canonical: OnceLock::new() }
    }
}

/// Storage for decoded texts that live as long as the request, so that all values can be borrowed from it. It only
/// grows, and allocates nothing while it is empty.
#[derive(Default)]
pub struct TextArena(OnceLock<Box<(String, TextArena)>>);

impl TextArena {
    /// Stores a text and returns a reference to it.
    pub(crate) fn keep(&self, text: String) -> &str {
        let mut at = self;
        let mut text = Some(text);
        loop {
            let here = at.0.get_or_init(|| Box::new((text.take().unwrap_or_default(), Self::default())));
            if text.is_none() {
                return &here.0;
            }
            at = &here.1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stored_texts_keep_their_address() {
        let arena = TextArena::default();
        let first = arena.keep("first".into());
        let others: Vec<&str> = (0..9).map(|n| arena.keep(n.to_string())).collect();
        assert_eq!((first, others.concat()), ("first", "012345678".to_owned()));
    }
}
