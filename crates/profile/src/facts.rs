//! What an answer may speak of: what the gate saw, and what was read from the request.

use latchkey_core::access::{ClassChoice, Target};
use latchkey_core::decision::Seen;
use latchkey_core::time::Timestamp;

use crate::read::Reading;
use crate::request::{Header, Request};

/// Everything that templates, and the removal of credentials, look at.
#[derive(Clone, Copy)]
pub struct Facts<'a> {
    /// What the gate saw.
    pub seen: &'a Seen,
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
            headers: &request.headers,
            path: request.path,
            request_id: &reading.request_id,
            environment,
            class: reading.access.class,
            now,
        }
    }
}
