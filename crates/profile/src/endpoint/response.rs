//! HTTP responses of endpoints, and errors in the format of the product.

use latchkey_core::decision::Denial;
use latchkey_core::reason::Reason;

use super::EndpointValues;
use crate::profile::{HeaderTemplate, Profile};
use crate::response::render_headers;
use crate::template::{Escape, RenderInput, Template};
use crate::template_context::TemplateContext;

/// HTTP response of an endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndpointResponse<'a> {
    /// The HTTP status.
    pub status: u16,
    /// Headers, with names in lower case.
    pub headers: Vec<(&'a str, String)>,
    /// The body.
    pub body: String,
}

macro_rules! codes {
    ($($code:ident = $name:literal, $status:literal;)*) => {
        /// Error code of a failed call. Names are those of gRPC, except two: `METHOD_NOT_ALLOWED` means that the
        /// endpoint's path does not have the method, and `INVALID_LOGIN` that a user's password is wrong.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum ErrorCode {
            $(#[doc = concat!("`", $name, "`")] $code,)*
        }

        impl ErrorCode {
            /// All codes.
            pub const ALL: &'static [Self] = &[$(Self::$code,)*];

            /// Returns the name of the code.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Self::$code => $name,)* }
            }

            /// Returns the default HTTP status of the code.
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
    InvalidLogin = "INVALID_LOGIN", 401;
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
pub(crate) struct CustomErrors(pub(crate) Vec<CustomError>);

/// A product's own error.
#[derive(Debug)]
pub(crate) struct CustomError {
    /// Codes that the error applies to; empty for every code.
    pub(crate) codes: Vec<ErrorCode>,
    pub(crate) status: Option<u16>,
    pub(crate) headers: Vec<HeaderTemplate>,
    pub(crate) escape: Escape,
    pub(crate) body: Template,
}

impl CustomErrors {
    /// Returns the first error of a code. A wrong password is also an `UNAUTHENTICATED` call, if no error is declared
    /// for it.
    fn of(&self, code: ErrorCode) -> Option<&CustomError> {
        let exact = || self.0.iter().find(|e| e.codes.contains(&code));
        let login = (code == ErrorCode::InvalidLogin).then(exact).flatten();
        let code = if code == ErrorCode::InvalidLogin { ErrorCode::Unauthenticated } else { code };
        login.or_else(|| self.0.iter().find(|e| e.codes.is_empty() || e.codes.contains(&code)))
    }
}

impl Profile {
    /// Renders the response to a failed RPC by the first error of the document that matches the code. Without one, an
    /// unauthenticated or unauthorized caller gets the document's denial, and any other caller problem details
    /// (RFC 9457).
    #[must_use]
    pub fn error_response(
        &self,
        code: ErrorCode,
        message: &str,
        template_context: &TemplateContext<'_>,
    ) -> EndpointResponse<'_> {
        self.error_response_with_status(code, None, message, template_context)
    }

    /// Renders the response to an error as [`Profile::error_response`] does. `sent` is the status that the client gets,
    /// if another server than Latchkey chooses it.
    pub(crate) fn error_response_with_status(
        &self,
        code: ErrorCode,
        sent: Option<u16>,
        message: &str,
        template_context: &TemplateContext<'_>,
    ) -> EndpointResponse<'_> {
        if let Some(own) = self.rules.endpoints.errors.of(code) {
            let nothing = serde_json::Value::Null;
            let status = sent.or(own.status).unwrap_or_else(|| code.status());
            let values = EndpointValues::new(&(), "", &nothing);
            let call = EndpointValues { code: code.name(), message, status, ..values };
            let input = RenderInput {
                policy: &self.policy,
                template_context,
                denial: None,
                unknown_limits: self.rules.unknown_limits,
                call: Some(call),
            };
            let mut body = String::new();
            own.body.render(&input, own.escape, &mut body);
            return EndpointResponse { status, headers: headers(&own.headers, &input), body };
        }
        let reason = match code {
            ErrorCode::Unauthenticated | ErrorCode::InvalidLogin => Reason::InvalidCredential,
            // The route is open to the caller, and what it asked for is more than it has. A document may answer
            // ROUTE_NOT_ALLOWED with 404, which would hide the endpoint.
            ErrorCode::PermissionDenied => Reason::InsufficientScope,
            ErrorCode::InvalidArgument
            | ErrorCode::NotFound
            | ErrorCode::MethodNotAllowed
            | ErrorCode::AlreadyExists
            | ErrorCode::FailedPrecondition
            | ErrorCode::ResourceExhausted
            | ErrorCode::Internal
            | ErrorCode::Unimplemented
            | ErrorCode::Unavailable => return problem(code, message, template_context.request_id),
        };
        let deny = self.deny_response(&Denial::with_message(reason, message.to_owned()), template_context);
        EndpointResponse { status: deny.status, headers: deny.headers, body: deny.body }
    }

    /// Returns true if the document has an error of its own for a code.
    pub(crate) fn has_error_for(&self, code: ErrorCode) -> bool {
        self.rules.endpoints.errors.of(code).is_some()
    }
}

fn problem(code: ErrorCode, message: &str, request_id: &str) -> EndpointResponse<'static> {
    let body = serde_json::json!({
        "type": "about:blank",
        "status": code.status(),
        "detail": message,
        "code": code.name(),
        "request_id": request_id,
    });
    let headers = vec![("content-type", "application/problem+json".to_owned())];
    EndpointResponse { status: code.status(), headers, body: body.to_string() }
}

/// Renders headers; adds the content type of JSON if there is none.
pub(super) fn headers<'a>(own: &'a [HeaderTemplate], input: &RenderInput<'_>) -> Vec<(&'a str, String)> {
    let mut headers = render_headers(own, input).owned();
    if !headers.iter().any(|(name, _)| *name == "content-type") {
        headers.push(("content-type", "application/json".to_owned()));
    }
    headers
}
