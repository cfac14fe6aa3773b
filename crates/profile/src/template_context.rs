//! What an answer may speak of: what the gate saw, and what was read from the request.

use latchkey_core::check_input::{PresentedCredential, RateClassSelector, RequestedEnvironment};
use latchkey_core::decision::DecisionContext;
use latchkey_core::time::Timestamp;

use crate::parsed_request::ParsedRequest;
use crate::request::{Header, Request};

/// Everything that templates, and the removal of credentials, look at.
#[derive(Clone, Copy)]
pub struct TemplateContext<'a> {
    /// What the gate saw.
    pub context: &'a DecisionContext,
    /// The request's method.
    pub method: &'a str,
    /// The request's headers.
    pub headers: &'a [Header<'a>],
    /// Its path as sent, with its query.
    pub path: &'a str,
    /// Its identifier.
    pub request_id: &'a str,
    /// The environment that it went to, where it is known.
    pub environment: Option<&'a str>,
    /// What decided its rate class.
    pub class: RateClassSelector<'a>,
    /// Its credential.
    pub credential: PresentedCredential<'a>,
    /// Now.
    pub now: Timestamp,
}

impl<'a> TemplateContext<'a> {
    /// The facts of a call that was read and decided.
    #[must_use]
    pub fn new(
        context: &'a DecisionContext,
        request: &'a Request<'_>,
        parsed: &'a ParsedRequest<'_>,
        now: Timestamp,
    ) -> Self {
        let environment = match parsed.access.environment {
            RequestedEnvironment::Named(name) => Some(name),
            RequestedEnvironment::Any | RequestedEnvironment::Unknown => None,
        };
        Self {
            context,
            method: request.method,
            headers: &request.headers,
            path: request.path,
            request_id: &parsed.request_id,
            environment,
            class: parsed.access.class,
            credential: parsed.access.credential,
            now,
        }
    }
}

/// What a credential looks like, good or bad: a product may word its errors by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CredentialFormat {
    /// A key.
    Key,
    /// A JWT: three parts, of which the first begins as every JSON object in base64url does.
    Jwt,
}

impl CredentialFormat {
    /// What a credential looks like, where there is one. A denial alone wants to know.
    #[must_use]
    pub fn of(presented: PresentedCredential<'_>) -> Option<Self> {
        match presented {
            PresentedCredential::Missing => None,
            PresentedCredential::Value(value) if is_jwt(value) => Some(Self::Jwt),
            PresentedCredential::Value(_)
            | PresentedCredential::Ambiguous
            | PresentedCredential::Malformed => Some(Self::Key),
        }
    }
}

fn is_jwt(value: &str) -> bool {
    let part = |p: &str| p.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
    value.starts_with("eyJ") && value.split('.').count() == 3 && value.split('.').all(part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_jwt_is_told_by_its_form() {
        let of = |value| CredentialFormat::of(PresentedCredential::of(value));
        assert_eq!(of("eyJhbGciOiJIUzI1NiJ9.e30.c2ln"), Some(CredentialFormat::Jwt));
        for value in ["eyJhbGciOiJIUzI1NiJ9.e30", "sk_live_a.b.c", "eyJ.a.b!", "a"] {
            assert_eq!(of(value), Some(CredentialFormat::Key), "{value}");
        }
        assert_eq!(of(""), None);
    }
}
