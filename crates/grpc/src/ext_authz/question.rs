//! Envoy's question as a profile sees it, read once and borrowed from the message. Attributes, request and
//! HTTP part may each come in pieces, which protobuf merges; a part that is missing leaves its fields empty.

use std::net::IpAddr;
use std::sync::OnceLock;

use latchkey_profile::{Header, Request};
use smallvec::SmallVec;

use super::last_wins::last_wins;
use super::shapes;
use crate::wire::reader::{Malformed, Reader};

type Headers<'a> = SmallVec<[Header<'a>; 32]>;

/// What Envoy asks.
pub(super) struct Question<'a> {
    /// The request, as profiles see it.
    pub(super) request: Request<'a>,
    /// Whether there was an HTTP request at all.
    pub(super) http: bool,
}

impl<'a> Question<'a> {
    /// Reads the bytes of a `CheckRequest`. Envoy sends header names in lower case; those of another caller are
    /// brought there, in `lowered`. `X-Key` beside `x-key` then is two values of one header.
    pub(super) fn read(message: &'a [u8], lowered: &'a Lowered) -> Result<Self, Malformed> {
        let mut parts = Parts::default();
        let mut reader = Reader::new(message);
        while let Some(field) = reader.next()? {
            match field.number {
                1 => parts.attributes(reader.message(field)?)?,
                _ => reader.skip(field)?,
            }
        }
        let mut question = parts.whole();
        lower(&mut question.request.headers, lowered);
        Ok(question)
    }
}

/// Room for header names that weren't in lower case; nothing where all of them were.
pub(super) type Lowered = OnceLock<Vec<Box<[u8]>>>;

fn lower<'a>(headers: &mut Headers<'a>, lowered: &'a Lowered) {
    let shouted = |header: &Header<'_>| header.name.iter().any(u8::is_ascii_uppercase);
    if headers.iter().any(shouted) {
        let of = |header: &Header<'_>| header.name.to_ascii_lowercase().into();
        let names = lowered.get_or_init(|| headers.iter().map(of).collect());
        headers.iter_mut().zip(names).for_each(|(header, name)| header.name = name);
    }
}

/// What was found so far.
#[derive(Default)]
struct Parts<'a> {
    http: bool,
    method: &'a str,
    path: &'a str,
    host: &'a str,
    /// One entry a name.
    joined: Headers<'a>,
    /// One entry an occurrence.
    each: Headers<'a>,
    body: &'a str,
    raw_body: &'a [u8],
    peer: &'a str,
    context: SmallVec<[(&'a str, &'a str); 4]>,
}

impl<'a> Parts<'a> {
    fn attributes(&mut self, mut reader: Reader<'a>) -> Result<(), Malformed> {
        while let Some(field) = reader.next()? {
            match field.number {
                1 => self.source(reader.message(field)?)?,
                4 => self.request(reader.message(field)?)?,
                10 => {
                    let (name, value) = reader.entry(field)?;
                    self.context.push((utf8(name)?, utf8(value)?));
                }
                _ => shapes::ATTRIBUTES.check_field(&mut reader, field)?,
            }
        }
        Ok(())
    }

    fn source(&mut self, mut reader: Reader<'a>) -> Result<(), Malformed> {
        while let Some(field) = reader.next()? {
            match field.number {
                1 => self.address(reader.message(field)?)?,
                _ => shapes::PEER.check_field(&mut reader, field)?,
            }
        }
        Ok(())
    }

    /// One of three kinds: another kind forgets what was there, the same kind is merged into it.
    fn address(&mut self, mut reader: Reader<'a>) -> Result<(), Malformed> {
        while let Some(field) = reader.next()? {
            match field.number {
                1 => self.socket(reader.message(field)?)?,
                2 => {
                    self.peer = "";
                    shapes::PIPE.check(reader.message(field)?)?;
                }
                3 => {
                    self.peer = "";
                    shapes::INTERNAL_ADDRESS.check(reader.message(field)?)?;
                }
                _ => reader.skip(field)?,
            }
        }
        Ok(())
    }

    fn socket(&mut self, mut reader: Reader<'a>) -> Result<(), Malformed> {
        while let Some(field) = reader.next()? {
            match field.number {
                2 => self.peer = reader.text(field)?,
                _ => shapes::SOCKET_ADDRESS.check_field(&mut reader, field)?,
            }
        }
        Ok(())
    }

    fn request(&mut self, mut reader: Reader<'a>) -> Result<(), Malformed> {
        while let Some(field) = reader.next()? {
            match field.number {
                2 => self.http(reader.message(field)?)?,
                _ => shapes::REQUEST.check_field(&mut reader, field)?,
            }
        }
        Ok(())
    }

    fn http(&mut self, mut reader: Reader<'a>) -> Result<(), Malformed> {
        self.http = true;
        while let Some(field) = reader.next()? {
            match field.number {
                2 => self.method = reader.text(field)?,
                3 => self.joined(reader.entry(field)?),
                4 => self.path = reader.text(field)?,
                5 => self.host = reader.text(field)?,
                11 => self.body = reader.text(field)?,
                12 => self.raw_body = reader.bytes(field)?,
                13 => self.header_map(reader.message(field)?)?,
                _ => shapes::HTTP.check_field(&mut reader, field)?,
            }
        }
        Ok(())
    }

    fn joined(&mut self, (name, value): (&'a [u8], &'a [u8])) {
        self.joined.push(Header { name, value });
    }

    fn header_map(&mut self, mut reader: Reader<'a>) -> Result<(), Malformed> {
        while let Some(field) = reader.next()? {
            match field.number {
                1 => self.header(reader.message(field)?)?,
                _ => reader.skip(field)?,
            }
        }
        Ok(())
    }

    /// `value` or `raw_value`. A header with both has two meanings: it counts as two, which no credential
    /// survives.
    fn header(&mut self, mut reader: Reader<'a>) -> Result<(), Malformed> {
        let (mut name, mut value, mut raw): (&[u8], &[u8], &[u8]) = (&[], &[], &[]);
        while let Some(field) = reader.next()? {
            match field.number {
                1 => name = reader.text_bytes(field)?,
                2 => value = reader.text_bytes(field)?,
                3 => raw = reader.bytes(field)?,
                _ => reader.skip(field)?,
            }
        }
        if raw.is_empty() || !value.is_empty() {
            self.each.push(Header { name, value });
        }
        if !raw.is_empty() {
            self.each.push(Header { name, value: raw });
        }
        Ok(())
    }

    fn whole(mut self) -> Question<'a> {
        last_wins(&mut self.joined, |header| header.name);
        last_wins(&mut self.context, |(name, _)| name.as_bytes());
        let headers = if self.joined.is_empty() {
            self.each
        } else {
            self.joined.extend(self.each);
            self.joined
        };
        let request = Request {
            method: self.method,
            path: self.path,
            host: self.host,
            headers,
            body: body(self.body.as_bytes(), self.raw_body),
            peer: self.peer.parse::<IpAddr>().ok(),
            context: self.context,
            ..Request::default()
        };
        Question { request, http: self.http }
    }
}

fn utf8(text: &[u8]) -> Result<&str, Malformed> {
    std::str::from_utf8(text).map_err(|_| Malformed)
}

/// Envoy fills one of both; a message with two bodies has none that could be trusted.
fn body<'a>(text: &'a [u8], raw: &'a [u8]) -> Option<&'a [u8]> {
    match (text, raw) {
        ([], []) => None,
        (one, []) | ([], one) => Some(one),
        (_, _) => None,
    }
}

#[cfg(test)]
#[path = "question_tests.rs"]
mod tests;
