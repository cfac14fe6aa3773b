//! What an answer may speak of: what the gate saw, and what was read from the request.

use latchkey_core::access::{ClassChoice, Presented, Target};
use latchkey_core::decision::Seen;
use latchkey_core::time::Timestamp;

use crate::read::Reading;
use crate::request::{Header, Request};

/// Everything that templates, and the removal of credentials, look at.
#[derive(Clone, Copy)]
pub struct Facts<'a> {
    /// What the gate saw.
    pub seen: &'a Seen,
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
    pub class: ClassChoice<'a>,
    /// Its credential.
    pub credential: Presented<'a>,
    /// Now.
    pub now: Timestamp,
}

impl<'a> Facts<'a> {
    /// The facts of a call that was read and decided.
    #[must_use]
    pub fn new(seen: &'a Seen, request: &'a Request<'_>, reading: &'a Reading<'_>, now: Timestamp) -> Self {
        let environment = match reading.access.environment {
            Target::Named(name) => Some(name),
            Target::Any | Target::Unknown => None,
        };
        Self {
            seen,
            method: request.method,
            headers: &request.headers,
            path: request.path,
            request_id: &reading.request_id,
            environment,
            class: reading.access.class,
            credential: reading.access.credential,
            now,
        }
    }
}

/// What a credential looks like, good or bad: a product may word its errors by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Looks {
    /// A key.
    Key,
    /// A JWT: three parts, of which the first begins as every JSON object in base64url does.
    Jwt,
}

impl Looks {
    /// What a credential looks like, where there is one. A denial alone wants to know.
    #[must_use]
    pub fn of(presented: Presented<'_>) -> Option<Self> {
        match presented {
            Presented::Missing => None,
            Presented::Value(value) if is_jwt(value) => Some(Self::Jwt),
            Presented::Value(_) | Presented::Ambiguous | Presented::Unreadable => Some(Self::Key),
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
        let of = |value| Looks::of(Presented::of(value));
        assert_eq!(of("eyJhbGciOiJIUzI1NiJ9.e30.c2ln"), Some(Looks::Jwt));
        for value in ["eyJhbGciOiJIUzI1NiJ9.e30", "sk_live_a.b.c", "eyJ.a.b!", "a"] {
            assert_eq!(of(value), Some(Looks::Key), "{value}");
        }
        assert_eq!(of(""), None);
    }
}
