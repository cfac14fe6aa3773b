//! What an endpoint's caller gets: the answer, or an error in the product's own words.

use latchkey_core::decision::Denial;
use latchkey_core::reason::Reason;

use super::Call;
use crate::answer::rendered;
use crate::facts::Facts;
use crate::profile::{HeaderTemplate, Profile};
use crate::template::{Escape, Template, View};

/// A response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply<'a> {
    /// The HTTP status.
    pub status: u16,
    /// Headers, with names in lower case.
    pub headers: Vec<(&'a str, String)>,
    /// The body.
    pub body: String,
}

macro_rules! codes {
    ($($code:ident = $name:literal, $status:literal;)*) => {
        /// How a call failed; the names are gRPC's, besides the one for a method that an endpoint's path doesn't take.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Code {
            $(#[doc = concat!("`", $name, "`")] $code,)*
        }

        impl Code {
            /// Every one.
            pub const ALL: &'static [Self] = &[$(Self::$code,)*];

            /// gRPC's name.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Self::$code => $name,)* }
            }

            /// The HTTP status where a document doesn't say.
            #[must_use]
            pub fn status(self) -> u16 {
                match self { $(Self::$code => $status,)* }
            }
        }
    };
}

codes! {
    InvalidArgument = "INVALID_ARGUMENT", 400;
    Unauthenticated = "UNAUTHENTICATED", 401;
    PermissionDenied = "PERMISSION_DENIED", 403;
    NotFound = "NOT_FOUND", 404;
    MethodNotAllowed = "METHOD_NOT_ALLOWED", 405;
    AlreadyExists = "ALREADY_EXISTS", 409;
    FailedPrecondition = "FAILED_PRECONDITION", 409;
    ResourceExhausted = "RESOURCE_EXHAUSTED", 429;
    Internal = "INTERNAL", 500;
    Unimplemented = "UNIMPLEMENTED", 501;
    Unavailable = "UNAVAILABLE", 503;
}

/// A product's own errors, in the order that they are declared in.
#[derive(Debug, Default)]
pub(crate) struct OwnErrors(pub(crate) Vec<OwnError>);

/// One of them.
#[derive(Debug)]
pub(crate) struct OwnError {
    /// None: every code.
    pub(crate) codes: Vec<Code>,
    pub(crate) status: Option<u16>,
    pub(crate) headers: Vec<HeaderTemplate>,
    pub(crate) escape: Escape,
    pub(crate) body: Template,
}

impl Profile {
    /// The response where an RPC failed. Without a word of the document's own, a caller that isn't known or
    /// allowed gets its denials, and any other problem details (RFC 9457).
    #[must_use]
    pub fn failed(&self, code: Code, message: &str, facts: &Facts<'_>) -> Reply<'_> {
        let fits = |e: &&OwnError| e.codes.is_empty() || e.codes.contains(&code);
        if let Some(own) = self.customs.endpoints.errors.0.iter().find(fits) {
            let nothing = serde_json::Value::Null;
            let call = Call { code: code.name(), message, ..Call::new(&(), "", &nothing) };
            let view = View { policy: &self.policy, facts, denial: None, call: Some(call) };
            let mut body = String::new();
            own.body.render(&view, own.escape, &mut body);
            let status = own.status.unwrap_or_else(|| code.status());
            return Reply { status, headers: headers(&own.headers, &view), body };
        }
        let reason = match code {
            Code::Unauthenticated => Reason::InvalidCredential,
            Code::PermissionDenied => Reason::RouteNotAllowed,
            Code::InvalidArgument
            | Code::NotFound
            | Code::MethodNotAllowed
            | Code::AlreadyExists
            | Code::FailedPrecondition
            | Code::ResourceExhausted
            | Code::Internal
            | Code::Unimplemented
            | Code::Unavailable => return problem(code, message, facts.request_id),
        };
        let refused = self.deny(&Denial::saying(reason, message.to_owned()), facts);
        Reply { status: refused.status, headers: refused.headers, body: refused.body }
    }
}

fn problem(code: Code, message: &str, request_id: &str) -> Reply<'static> {
    let body = serde_json::json!({
        "type": "about:blank",
        "status": code.status(),
        "detail": message,
        "code": code.name(),
        "request_id": request_id,
    });
    let headers = vec![("content-type", "application/problem+json".to_owned())];
    Reply { status: code.status(), headers, body: body.to_string() }
}

/// Headers with their values, and a content type.
pub(super) fn headers<'a>(own: &'a [HeaderTemplate], view: &View<'_>) -> Vec<(&'a str, String)> {
    let mut headers = rendered(own, view).owned();
    if !headers.iter().any(|(name, _)| *name == "content-type") {
        headers.push(("content-type", "application/json".to_owned()));
    }
    headers
}
