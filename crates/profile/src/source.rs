//! Sources of values in a request: a header, a header with a scheme, a query parameter, a cookie, the body. A value
//! that occurs twice is reported as such; neither the first nor the last is chosen.

mod basic;
mod body;
mod cookie;
mod header;
mod parameter;
mod query;
mod subprotocol;

pub(crate) use basic::BasicPart;
pub(crate) use body::Pointer;
pub(crate) use cookie::without_cookies;
pub(crate) use query::{other_parameters, without_parameters};
pub(crate) use subprotocol::without_subprotocols;

use std::cell::OnceCell;

use crate::request::Request;

/// Source of a value, as a document writes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// `header:NAME`: the whole value of a header, with its name in lower case.
    Header(Box<str>),
    /// `header:NAME SCHEME`: the part of a header's value after the scheme.
    Scheme(Box<str>, Box<str>),
    /// `basic:username` or `basic:password`: a part of Basic credentials.
    Basic(BasicPart),
    /// `websocket:NAME`: the WebSocket subprotocol after the subprotocol NAME; with a dot at the end of NAME, the
    /// rest of the one that starts with it.
    Subprotocol(Box<str>),
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
    /// No value.
    Absent,
    /// A value without any character.
    Empty,
    /// More than one value.
    Multiple,
    /// A value that is not a text.
    NotText,
    /// A value that another server may read: the body is there and cannot be read as a whole, or has a value of
    /// another type.
    Unreadable,
    /// A text, which is not empty.
    Text(&'a str),
}

impl<'a> SourceValue<'a> {
    fn text(text: &'a str) -> Self {
        if text.is_empty() { Self::Empty } else { Self::Text(text) }
    }

    /// Returns the value of two occurrences of a source: one if they are equal texts.
    fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Absent, value) => value,
            (Self::Text(one), Self::Text(other)) if one == other => self,
            _ => Self::Multiple,
        }
    }

    /// Returns the value as a credential. An empty text is none, and a body that cannot be read has none.
    fn credential(self) -> Self {
        match self {
            Self::Empty | Self::Unreadable => Self::Absent,
            Self::Absent | Self::Multiple | Self::NotText | Self::Text(_) => self,
        }
    }
}

/// Reader of a request's values. It parses the body at most once.
pub(crate) struct SourceReader<'a, 'r> {
    pub(crate) request: &'a Request<'r>,
    json: OnceCell<body::Content>,
}

impl<'a, 'r> SourceReader<'a, 'r> {
    pub(crate) fn new(request: &'a Request<'r>) -> Self {
        Self { request, json: OnceCell::new() }
    }

    /// Returns the value of a source as a credential. A credential that is sent several times is one if all values are
    /// equal; any difference makes it several.
    pub(crate) fn credential(&self, source: &Source) -> SourceValue<'a> {
        let found = match source {
            Source::Header(name) => header::whole_if_equal(self.request, name),
            Source::Scheme(name, scheme) => header::after_scheme_if_equal(self.request, name, scheme),
            Source::Query(name) => query::find_equal(self.request, name),
            Source::Cookie(name) => cookie::find_equal(self.request, name),
            Source::Basic(_) | Source::Subprotocol(_) | Source::Body(_) => self.value(source),
        };
        found.credential()
    }

    /// Returns the value of a source, which may occur once.
    pub(crate) fn value(&self, source: &Source) -> SourceValue<'a> {
        match source {
            Source::Header(name) => header::whole(self.request, name),
            Source::Scheme(name, scheme) => header::after_scheme(self.request, name, scheme),
            Source::Basic(part) => basic::find(self.request, *part),
            Source::Subprotocol(name) => subprotocol::find(self.request, name),
            Source::Query(name) => query::find(self.request, name),
            Source::Cookie(name) => cookie::find(self.request, name),
            Source::Body(pointer) => match self.json.get_or_init(|| body::read(self.request)) {
                body::Content::Absent => SourceValue::Absent,
                body::Content::Unreadable => SourceValue::Unreadable,
                body::Content::Json(json) => pointer.find(json, self.request),
            },
        }
    }
}

impl Source {
    /// Returns the header that the value is a part of, with its name in lower case.
    pub(crate) fn header(&self) -> Option<&str> {
        match self {
            Self::Header(name) | Self::Scheme(name, _) => Some(name),
            Self::Basic(_) => Some(basic::HEADER),
            Self::Subprotocol(_) => Some(subprotocol::HEADER),
            Self::Cookie(_) => Some("cookie"),
            Self::Query(_) | Self::Body(_) => None,
        }
    }

    /// Reads a source.
    ///
    /// # Errors
    ///
    /// Returns the description of the mistake if the text is not a source.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let bad = || {
            format!(
                "\"{text}\" is not a source; write \"header:NAME\", \"header:NAME SCHEME\", \"basic:username\", \
                 \"basic:password\", \"websocket:NAME\", \"query:NAME\", \"cookie:NAME\" or \"body:/pointer\""
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
            "basic" if name == "username" => Ok(Self::Basic(BasicPart::Username)),
            "basic" if name == "password" => Ok(Self::Basic(BasicPart::Password)),
            "websocket" if is_token(name) => Ok(Self::Subprotocol(name.into())),
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
