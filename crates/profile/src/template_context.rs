//! Values that templates of responses may use: the context of the decision, and values of the request.

use latchkey_core::check_input::{PresentedCredential, RateClassSelector, RequestedEnvironment};
use latchkey_core::decision::DecisionContext;
use latchkey_core::policy::Policy;
use latchkey_core::time::Timestamp;

use crate::parsed_request::ParsedRequest;
use crate::request::{Header, Headers, Request};

/// Input of templates and of the removal of credentials.
#[derive(Clone, Copy)]
pub struct TemplateContext<'a> {
    /// The context of the gate's decision.
    pub context: &'a DecisionContext,
    /// The request's method.
    pub method: &'a str,
    /// The request's headers.
    pub headers: &'a Headers<'a>,
    /// The request's path as sent, with its query.
    pub path: &'a str,
    /// The request's identifier.
    pub request_id: &'a str,
    /// The environment that the request is for, if it is known.
    pub environment: Option<&'a str>,
    /// The selector of the rate class.
    pub class: RateClassSelector<'a>,
    /// The request's credential.
    pub credential: PresentedCredential<'a>,
    /// The current time.
    pub now: Timestamp,
}

impl<'a> TemplateContext<'a> {
    /// Creates the context of a request that was read and decided.
    #[must_use]
    pub fn new(
        context: &'a DecisionContext,
        request: &'a Request<'_>,
        parsed: &'a ParsedRequest<'_>,
        now: Timestamp,
    ) -> Self {
        let environment = match parsed.access.environment {
            RequestedEnvironment::Named(name) => Some(name),
            RequestedEnvironment::Any
            | RequestedEnvironment::UnknownHost
            | RequestedEnvironment::InvalidHost => None,
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

/// Format of a credential, valid or not. A product's denials may depend on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CredentialFormat {
    /// A key.
    Key,
    /// A JWT: three parts, of which the first starts like every JSON object in base64url.
    Jwt,
}

impl CredentialFormat {
    /// Returns the format of a credential, if there is one. Only denials need it.
    #[must_use]
    pub fn of(presented: PresentedCredential<'_>) -> Option<Self> {
        match presented {
            PresentedCredential::Missing => None,
            PresentedCredential::Value(value) if is_jwt(value) => Some(Self::Jwt),
            // The format that the source takes: the product answers as to a credential of it that is not valid.
            PresentedCredential::NotAJwt => Some(Self::Jwt),
            PresentedCredential::Value(_)
            | PresentedCredential::Ambiguous
            | PresentedCredential::Malformed
            | PresentedCredential::NotAKey => Some(Self::Key),
        }
    }
}

/// Credential that a denial applies to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DeniedCredential {
    /// A credential with the format of a key, or without any format.
    Key,
    /// A credential with the format of a JWT.
    Jwt,
    /// A credential with the format of a JWT, or one that was sent as `Authorization: Bearer` and that no key of the
    /// profile looks like, such as `null`.
    Token,
}

impl DeniedCredential {
    /// Returns true if a request's credential is one of these.
    pub(crate) fn matches(self, policy: &Policy, template_context: &TemplateContext<'_>) -> bool {
        let format = CredentialFormat::of(template_context.credential);
        match self {
            Self::Key => format == Some(CredentialFormat::Key),
            Self::Jwt => format == Some(CredentialFormat::Jwt),
            Self::Token => {
                format == Some(CredentialFormat::Jwt) || is_bearer_without_key(policy, template_context)
            }
        }
    }
}

fn is_bearer_without_key(policy: &Policy, template_context: &TemplateContext<'_>) -> bool {
    let bearer = |header: &Header<'_>| {
        let (scheme, rest) = header.value.split_at_checked(7)?;
        let named = header.name == b"authorization";
        (named && scheme.eq_ignore_ascii_case(b"bearer ")).then(|| rest.trim_ascii().to_owned())
    };
    let mut sent = template_context.headers.iter().filter_map(bearer);
    match template_context.credential {
        PresentedCredential::Value(value) => {
            !policy.matches_key_format(value) && sent.any(|sent| sent == value.as_bytes())
        }
        PresentedCredential::Malformed => sent.next().is_some(),
        PresentedCredential::Missing
        | PresentedCredential::Ambiguous
        | PresentedCredential::NotAKey
        | PresentedCredential::NotAJwt => false,
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
    fn a_jwt_is_recognized_by_its_format() {
        let of = |value| CredentialFormat::of(PresentedCredential::of(value));
        assert_eq!(of("eyJhbGciOiJIUzI1NiJ9.e30.c2ln"), Some(CredentialFormat::Jwt));
        for value in ["eyJhbGciOiJIUzI1NiJ9.e30", "sk_live_a.b.c", "eyJ.a.b!", "a"] {
            assert_eq!(of(value), Some(CredentialFormat::Key), "{value}");
        }
        assert_eq!(of(""), None);
    }
}
