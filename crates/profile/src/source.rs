//! Sources of values in a request: a header, a header with a scheme, a query parameter, a cookie, the body. A value
//! that occurs twice is reported as such; neither the first nor the last is chosen.

mod body;
mod cookie;
mod header;
mod query;

pub(crate) use body::{Json, Pointer};
pub(crate) use cookie::without_cookies;
pub(crate) use query::spellings;

use std::cell::OnceCell;

use crate::request::Request;

/// Source of a value, as a document writes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// `header:NAME`: the whole value of a header, with its name in lower case.
    Header(Box<str>),
    /// `header:NAME SCHEME`: the part of a header's value after the scheme.
    Scheme(Box<str>, Box<str>),
    /// `query:NAME`: a query parameter, with its name in lower case.
    Query(Box<str>),
    /// `cookie:NAME`: a cookie, with its name in lower case.
    Cookie(Box<str>),
    /// `body:/pointer`: a string in a JSON body.
    Body(Pointer),
}

/// Value of a source in a request.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum SourceValue<'a> {
    /// No value, or only an empty one.
    Absent,
    /// More than one value.
    Multiple,
    /// A value that is not a text.
    NotText,
    /// A text, which is not empty.
    Text(&'a str),
}

impl<'a> SourceValue<'a> {
    fn text(text: &'a str) -> Self {
        if text.is_empty() { Self::Absent } else { Self::Text(text) }
    }
}

/// Reader of a request's values. It parses the body at most once.
pub(crate) struct SourceReader<'a, 'r> {
    pub(crate) request: &'a Request<'r>,
    json: OnceCell<Option<Json>>,
}

impl<'a, 'r> SourceReader<'a, 'r> {
    pub(crate) fn new(request: &'a Request<'r>) -> Self {
        Self { request, json: OnceCell::new() }
    }

    /// Returns the value of a source.
    pub(crate) fn value(&self, source: &Source) -> SourceValue<'a> {
        match source {
            Source::Header(name) => header::whole(self.request, name),
            Source::Scheme(name, scheme) => header::after_scheme(self.request, name, scheme),
            Source::Query(name) => query::find(self.request, name),
            Source::Cookie(name) => cookie::find(self.request, name),
            Source::Body(pointer) => {
                let json = self.json.get_or_init(|| body::read(self.request));
                json.as_ref().map_or(SourceValue::Absent, |json| pointer.find(json, self.request))
            }
        }
    }
}

impl Source {
    /// Reads a source.
    ///
    /// # Errors
    ///
    /// Returns the description of the mistake if the text is not a source.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let bad = || {
            format!(
                "\"{text}\" is not a source; write \"header:NAME\", \"header:NAME SCHEME\", \"query:NAME\", \
                 \"cookie:NAME\" or \"body:/pointer\""
            )
        };
        let (kind, name) = text.split_once(':').ok_or_else(bad)?;
        let lower = || Box::from(name.to_ascii_lowercase());
        match kind {
            "header" => match name.split_once(' ') {
                None if is_header(name) => Ok(Self::Header(lower())),
                Some((name, scheme)) if is_header(name) && is_token(scheme) => {
                    Ok(Self::Scheme(name.to_ascii_lowercase().into(), scheme.into()))
                }
                None | Some(_) => Err(bad()),
            },
            "query" if is_query_name(name) => Ok(Self::Query(lower())),
            "cookie" if is_token(name) => Ok(Self::Cookie(lower())),
            "body" => Pointer::parse(name).map(Self::Body).ok_or_else(bad),
            _ => Err(bad()),
        }
    }
}

/// Returns true for a token (RFC 9110 section 5.6.2), such as the name of a header, a scheme, a cookie or a method.
pub(crate) fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
}

/// Returns true for the name of a header that can be removed from a request; the host cannot.
fn is_header(name: &str) -> bool {
    is_token(name) && !name.eq_ignore_ascii_case("host")
}

fn is_query_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_graphic() && !b"&=#?%+".contains(&b))
}
