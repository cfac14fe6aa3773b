//! Basic credentials (RFC 7617): clients that know only a user name and a password send a key as one of them.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};

use super::{SourceValue, header};
use crate::request::Request;

pub(super) const HEADER: &str = "authorization";

/// A part of Basic credentials.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BasicPart {
    /// The text before the first colon.
    Username,
    /// The text after the first colon.
    Password,
}

/// Returns a part of the Basic credentials of a request.
pub(super) fn find<'a>(request: &'a Request<'_>, part: BasicPart) -> SourceValue<'a> {
    let found = header::after_scheme_if_equal(request, HEADER, "Basic");
    let SourceValue::Text(encoded) = found else { return found };
    let engine = if encoded.ends_with('=') { &STANDARD } else { &STANDARD_NO_PAD };
    let decoded = engine.decode(encoded).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    let Some((username, password)) = decoded.as_deref().and_then(|text| text.split_once(':')) else {
        return SourceValue::NotText;
    };
    let text = match part {
        BasicPart::Username => username,
        BasicPart::Password => password,
    };
    if text.is_empty() { SourceValue::Empty } else { SourceValue::Text(request.arena.keep(text.to_owned())) }
}
