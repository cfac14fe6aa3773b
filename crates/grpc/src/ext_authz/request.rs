//! Envoy's `CheckRequest` in the form that a profile reads, parsed once and borrowed from the message. Attributes,
//! request and HTTP part can each be repeated, and protobuf merges the repetitions; a missing part leaves its fields
//! empty.

use std::sync::OnceLock;

use latchkey_profile::{Header, Headers, Request};

use super::last_wins::last_wins;
use super::schemas;
use crate::wire::reader::{NameValue, Reader, WireError};
use crate::wire::scan::ByteClass;

/// View of Envoy's `CheckRequest`.
#[derive(Default)]
pub(super) struct CheckRequestView<'a> {
    /// Request in the form that profiles read.
    pub(super) request: Request<'a>,
    /// True if the message contains an HTTP request.
    pub(super) http: bool,
}

impl<'a> CheckRequestView<'a> {
    /// Reads an encoded `CheckRequest`. Envoy sends header names in lower case. The names of another caller are
    /// converted and stored in `lowercase_names`, so that `X-Key` and `x-key` are two values of one header.
    pub(super) fn read(
        &mut self,
        message: &'a [u8],
        lowercase_names: &'a LowercaseNames,
    ) -> Result<(), WireError> {
        let mut parser = CheckRequestParser::new(self);
        let mut reader = Reader::new(message);
        while let Some(field) = reader.next()? {
            match field.number {
                1 => parser.attributes(reader.message(field)?)?,
                _ => reader.skip(field)?,
            }
        }
        if parser.finish() {
            lowercase(&mut self.request.headers, lowercase_names);
        }
        Ok(())
    }
}

/// Storage for the lower-case names of all headers. It is filled only if a name of the message has upper-case
/// letters.
pub(super) type LowercaseNames = OnceLock<Vec<Box<[u8]>>>;

fn lowercase<'a>(headers: &mut Headers<'a>, lowercase_names: &'a LowercaseNames) {
    let of = |header: &Header<'_>| header.name.to_ascii_lowercase().into();
    let names = lowercase_names.get_or_init(|| headers.iter().map(of).collect());
    let list = std::mem::take(headers).into_list().into_iter();
    headers.extend(list.zip(names).map(|(Header { value, .. }, name)| Header { name, value }));
}

/// Parser of a `CheckRequest`. Envoy sends headers in one of two ways: a map with one entry for each name, or a list
/// with one entry for each occurrence.
struct CheckRequestParser<'q, 'a> {
    request: &'q mut Request<'a>,
    http: &'q mut bool,
    /// True if the message has headers as a map.
    has_map_headers: bool,
    /// Headers of the list, if the message has both forms.
    list_headers: Vec<Header<'a>>,
    /// True if a header name has an upper-case letter.
    has_uppercase: bool,
    text_body: &'a [u8],
    raw_body: &'a [u8],
    peer: &'a str,
}

impl<'q, 'a> CheckRequestParser<'q, 'a> {
    fn new(view: &'q mut CheckRequestView<'a>) -> Self {
        let CheckRequestView { request, http } = view;
        let (list_headers, empty) = (Vec::new(), [].as_slice());
        Self {
            request,
            http,
            has_map_headers: false,
            list_headers,
            has_uppercase: false,
            text_body: empty,
            raw_body: empty,
            peer: "",
        }
    }

    fn attributes(&mut self, mut reader: Reader<'a>) -> Result<(), WireError> {
        while let Some(field) = reader.next()? {
            match field.number {
                1 => self.source(reader.message(field)?)?,
                4 => self.request(reader.message(field)?)?,
                10 => {
                    let NameValue { name, value, .. } = reader.entry()?;
                    self.request.context.push((utf8(name)?, utf8(value)?));
                }
                _ => schemas::ATTRIBUTES.check_field(&mut reader, field)?,
            }
        }
        Ok(())
    }

    fn source(&mut self, mut reader: Reader<'a>) -> Result<(), WireError> {
        while let Some(field) = reader.next()? {
            match field.number {
                1 => self.address(reader.message(field)?)?,
                _ => schemas::PEER.check_field(&mut reader, field)?,
            }
        }
        Ok(())
    }

    /// Reads one of three kinds of address. As protobuf does for a `oneof`, another kind replaces what was read
    /// before, and the same kind is merged into it.
    fn address(&mut self, mut reader: Reader<'a>) -> Result<(), WireError> {
        while let Some(field) = reader.next()? {
            match field.number {
                1 => self.socket(reader.message(field)?)?,
                2 => {
                    self.peer = "";
                    schemas::PIPE.check(reader.message(field)?)?;
                }
                3 => {
                    self.peer = "";
                    schemas::INTERNAL_ADDRESS.check(reader.message(field)?)?;
                }
                _ => reader.skip(field)?,
            }
        }
        Ok(())
    }

    fn socket(&mut self, mut reader: Reader<'a>) -> Result<(), WireError> {
        while let Some(field) = reader.next()? {
            match field.number {
                2 => self.peer = reader.text(field)?,
                _ => schemas::SOCKET_ADDRESS.check_field(&mut reader, field)?,
            }
        }
        Ok(())
    }

    fn request(&mut self, mut reader: Reader<'a>) -> Result<(), WireError> {
        while let Some(field) = reader.next()? {
            match field.number {
                2 => self.http(reader.message(field)?)?,
                _ => schemas::REQUEST.check_field(&mut reader, field)?,
            }
        }
        Ok(())
    }

    fn http(&mut self, mut reader: Reader<'a>) -> Result<(), WireError> {
        *self.http = true;
        loop {
            if let Some(pair) = reader.common_case_entry(3) {
                self.push_map_header(pair);
                continue;
            }
            let Some(field) = reader.next()? else { return Ok(()) };
            match field.number {
                2 => self.request.method = reader.text(field)?,
                3 => self.push_map_header(reader.entry()?),
                4 => self.request.path = reader.text(field)?,
                5 => self.request.host = reader.text(field)?.into(),
                11 => self.text_body = reader.text_bytes(field)?,
                12 => self.raw_body = reader.bytes(field)?,
                13 => self.header_map(reader.message(field)?)?,
                _ => schemas::HTTP.check_field(&mut reader, field)?,
            }
        }
    }

    fn push_map_header(&mut self, NameValue { name, value, has_uppercase }: NameValue<'a>) {
        if !self.has_map_headers {
            self.has_map_headers = true;
            self.set_list_headers_aside();
        }
        self.has_uppercase |= has_uppercase;
        self.request.headers.push(Header { name, value });
    }

    /// Takes the headers of the list that were read before those of the map, behind which they are placed.
    #[cold]
    fn set_list_headers_aside(&mut self) {
        if !self.request.headers.is_empty() {
            self.list_headers.extend(std::mem::take(&mut self.request.headers).into_list());
        }
    }

    fn header_map(&mut self, mut reader: Reader<'a>) -> Result<(), WireError> {
        loop {
            if let Some(NameValue { name, value, has_uppercase }) = reader.common_case_raw_entry(1) {
                self.has_uppercase |= has_uppercase;
                self.push_list_header(Header { name, value });
                continue;
            }
            let Some(field) = reader.next()? else { return Ok(()) };
            match field.number {
                1 => self.header(reader.message(field)?)?,
                _ => reader.skip(field)?,
            }
        }
    }

    /// Reads a header with a `value` or a `raw_value`. A header with both is ambiguous and counts as two headers, so
    /// that a credential in it is rejected.
    fn header(&mut self, mut reader: Reader<'a>) -> Result<(), WireError> {
        let (mut name, mut value, mut raw): (&[u8], &[u8], &[u8]) = (&[], &[], &[]);
        while let Some(field) = reader.next()? {
            match field.number {
                1 => name = reader.text_bytes(field)?,
                2 => value = reader.text_bytes(field)?,
                3 => raw = reader.bytes(field)?,
                _ => reader.skip(field)?,
            }
        }
        self.has_uppercase |= ByteClass::of(name).upper;
        if raw.is_empty() || !value.is_empty() {
            self.push_list_header(Header { name, value });
        }
        if !raw.is_empty() {
            self.push_list_header(Header { name, value: raw });
        }
        Ok(())
    }

    fn push_list_header(&mut self, header: Header<'a>) {
        if self.has_map_headers { self.list_headers.push(header) } else { self.request.headers.push(header) }
    }

    /// Merges the parts of the request. Returns true if a header name has an upper-case letter.
    fn finish(self) -> bool {
        let request = self.request;
        if self.has_map_headers
            && request.headers.may_repeat()
            && let Some(last) = last_wins(&request.headers, |header| header.name)
        {
            request.headers = last.into_iter().collect();
        }
        request.headers.extend(self.list_headers);
        if let Some(last) = last_wins(&request.context, |(name, _)| name.as_bytes()) {
            request.context = last.into();
        }
        request.body = body(self.text_body, self.raw_body);
        request.has_two_bodies = !self.text_body.is_empty() && !self.raw_body.is_empty();
        request.peer = self.peer.parse().ok();
        self.has_uppercase
    }
}

fn utf8(text: &[u8]) -> Result<&str, WireError> {
    std::str::from_utf8(text).map_err(|_| WireError)
}

/// Returns the body. Envoy fills only one of the two fields; of two bodies, neither is used.
fn body<'a>(text: &'a [u8], raw: &'a [u8]) -> Option<&'a [u8]> {
    match (text, raw) {
        ([], []) => None,
        (body, []) | ([], body) => Some(body),
        (_, _) => None,
    }
}

#[cfg(any(test, feature = "fuzzing"))]
#[path = "request_comparison.rs"]
pub(crate) mod comparison;

#[cfg(test)]
#[path = "request_tests.rs"]
mod tests;
