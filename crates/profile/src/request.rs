//! An HTTP request as a profile sees it: borrowed from the message that brought it, and never trusted.

mod headers;

use std::net::IpAddr;
use std::sync::OnceLock;

use smallvec::SmallVec;

pub use self::headers::Headers;

/// One occurrence of a header.
#[derive(Clone, Copy)]
pub struct Header<'a> {
    /// Its name in lower case, as bytes: most are only ever compared.
    pub name: &'a [u8],
    /// Its value as sent; no text, perhaps.
    pub value: &'a [u8],
}

/// A request. Fill in what is known; the rest is `..Request::default()`.
#[derive(Default)]
pub struct Request<'a> {
    /// The method as sent.
    pub method: &'a str,
    /// The path as sent, with its query.
    pub path: &'a str,
    /// The host as sent, perhaps with a port.
    pub host: &'a str,
    /// Headers.
    pub headers: Headers<'a>,
    /// The body, as far as it was sent along.
    pub body: Option<&'a [u8]>,
    /// Who is connected to Envoy.
    pub peer: Option<IpAddr>,
    /// Whether it came from `peer` itself, past every proxy: then no header tells who the client is.
    pub direct: bool,
    /// What Envoy's route says (`context_extensions`); no client can set it.
    pub context: SmallVec<[(&'a str, &'a str); 4]>,
    /// Room for what reading has to decode.
    pub arena: TextArena,
}

impl Request<'_> {
    /// Every occurrence of a header.
    pub(crate) fn values<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a [u8]> {
        self.headers.named(name).map(|header| header.value)
    }

    /// The first occurrence of a header that is text.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        std::str::from_utf8(self.headers.named(name).next()?.value).ok()
    }

    /// What Envoy's route says under this name, if it says anything.
    pub(crate) fn route_value(&self, name: &str) -> Option<&str> {
        let (_, value) = self.context.iter().find(|(n, _)| *n == name)?;
        Some(*value).filter(|v| !v.is_empty())
    }

    /// What follows the first `?` of the path.
    pub(crate) fn query(&self) -> &str {
        self.path.split_once('?').map_or("", |(_, query)| query)
    }
}

/// Texts that live as long as the request: decoded parts, so that everything read from it can be borrowed.
/// It grows by appending alone, and costs nothing while it is empty.
#[derive(Default)]
pub struct TextArena(OnceLock<Box<(String, TextArena)>>);

impl TextArena {
    /// Keeps a text.
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
    fn what_is_kept_stays_where_it_is() {
        let arena = TextArena::default();
        let first = arena.keep("first".into());
        let others: Vec<&str> = (0..9).map(|n| arena.keep(n.to_string())).collect();
        assert_eq!((first, others.concat()), ("first", "012345678".to_owned()));
    }
}
