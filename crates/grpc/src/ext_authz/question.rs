//! Envoy's question as a profile sees it, read once and borrowed from the message. Attributes, request and
//! HTTP part may each come in pieces, which protobuf merges; a part that is missing leaves its fields empty.

use std::sync::OnceLock;

use latchkey_profile::{Header, Headers, Request};

use super::last_wins::last_wins;
use super::shapes;
use crate::wire::reader::{Malformed, Pair, Reader};
use crate::wire::scan::Look;

/// What Envoy asks.
#[derive(Default)]
pub(super) struct Question<'a> {
    /// The request, as profiles see it.
    pub(super) request: Request<'a>,
    /// Whether there was an HTTP request at all.
    pub(super) http: bool,
}

impl<'a> Question<'a> {
    /// Reads the bytes of a `CheckRequest`. Envoy sends header names in lower case; those of another caller are
    /// brought there, in `lowered`. `X-Key` beside `x-key` then is two values of one header.
    pub(super) fn read(&mut self, message: &'a [u8], lowered: &'a Lowered) -> Result<(), Malformed> {
        let mut parts = Parts::of(self);
        let mut reader = Reader::new(message);
        while let Some(field) = reader.next()? {
            match field.number {
                1 => parts.attributes(reader.message(field)?)?,
                _ => reader.skip(field)?,
            }
        }
        if parts.end() {
            lower(&mut self.request.headers, lowered);
        }
        Ok(())
    }
}

/// Room for header names that weren't in lower case; nothing where all of them were.
pub(super) type Lowered = OnceLock<Vec<Box<[u8]>>>;

fn lower<'a>(headers: &mut Headers<'a>, lowered: &'a Lowered) {
    let of = |header: &Header<'_>| header.name.to_ascii_lowercase().into();
    let names = lowered.get_or_init(|| headers.iter().map(of).collect());
    let list = std::mem::take(headers).into_list().into_iter();
    headers.extend(list.zip(names).map(|(Header { value, .. }, name)| Header { name, value }));
}

/// A question that is being read. Envoy sends headers in one of two ways: one entry a name, or one an occurrence.
struct Parts<'q, 'a> {
    request: &'q mut Request<'a>,
    http: &'q mut bool,
    /// Whether there are some with one entry a name.
    joined: bool,
    /// The others, where a message has both.
    each: Vec<Header<'a>>,
    /// Whether a name was not in lower case.
    shouted: bool,
    text_body: &'a [u8],
    raw_body: &'a [u8],
    peer: &'a str,
}

impl<'q, 'a> Parts<'q, 'a> {
    fn of(question: &'q mut Question<'a>) -> Self {
        let Question { request, http } = question;
        let (each, empty) = (Vec::new(), [].as_slice());
        Self {
            request,
            http,
            joined: false,
            each,
            shouted: false,
            text_body: empty,
            raw_body: empty,
            peer: "",
        }
    }

    fn attributes(&mut self, mut reader: Reader<'a>) -> Result<(), Malformed> {
        while let Some(field) = reader.next()? {
            match field.number {
                1 => self.source(reader.message(field)?)?,
                4 => self.request(reader.message(field)?)?,
                10 => {
                    let Pair { name, value, .. } = reader.entry()?;
                    self.request.context.push((utf8(name)?, utf8(value)?));
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
        *self.http = true;
        loop {
            if let Some(pair) = reader.usual_entry(3) {
                self.joined(pair);
                continue;
            }
            let Some(field) = reader.next()? else { return Ok(()) };
            match field.number {
                2 => self.request.method = reader.text(field)?,
                3 => self.joined(reader.entry()?),
                4 => self.request.path = reader.text(field)?,
                5 => self.request.host = reader.text(field)?,
                11 => self.text_body = reader.text_bytes(field)?,
                12 => self.raw_body = reader.bytes(field)?,
                13 => self.header_map(reader.message(field)?)?,
                _ => shapes::HTTP.check_field(&mut reader, field)?,
            }
        }
    }

    fn joined(&mut self, Pair { name, value, shouted }: Pair<'a>) {
        let before = !self.request.headers.is_empty();
        if !std::mem::replace(&mut self.joined, true) && before {
            // Those of the other kind that came before stand behind.
            self.each.extend(std::mem::take(&mut self.request.headers).into_list());
        }
        self.shouted |= shouted;
        self.request.headers.push(Header { name, value });
    }

    fn header_map(&mut self, mut reader: Reader<'a>) -> Result<(), Malformed> {
        loop {
            if let Some(Pair { name, value, shouted }) = reader.usual_raw_entry(1) {
                self.shouted |= shouted;
                self.occurred(Header { name, value });
                continue;
            }
            let Some(field) = reader.next()? else { return Ok(()) };
            match field.number {
                1 => self.header(reader.message(field)?)?,
                _ => reader.skip(field)?,
            }
        }
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
        self.shouted |= Look::at(name).upper;
        if raw.is_empty() || !value.is_empty() {
            self.occurred(Header { name, value });
        }
        if !raw.is_empty() {
            self.occurred(Header { name, value: raw });
        }
        Ok(())
    }

    fn occurred(&mut self, header: Header<'a>) {
        if self.joined { self.each.push(header) } else { self.request.headers.push(header) }
    }

    /// Puts together what came in pieces; answers whether a header's name was not in lower case.
    fn end(self) -> bool {
        let request = self.request;
        if self.joined
            && request.headers.may_repeat()
            && let Some(last) = last_wins(&request.headers, |header| header.name)
        {
            request.headers = last.into_iter().collect();
        }
        request.headers.extend(self.each);
        if let Some(last) = last_wins(&request.context, |(name, _)| name.as_bytes()) {
            request.context = last.into();
        }
        request.body = body(self.text_body, self.raw_body);
        request.peer = self.peer.parse().ok();
        self.shouted
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
