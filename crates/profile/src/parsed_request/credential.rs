//! Reads the credential of a request. Several different credentials are reported as ambiguous and never guessed from.

use std::sync::LazyLock;

use latchkey_core::check_input::PresentedCredential;

use crate::request::Request;
use crate::source::{Source, SourceReader, SourceValue};

/// Handling of two sources with different values.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Conflict {
    /// The call is denied as ambiguous.
    #[default]
    Deny,
    /// The source that is declared first is used.
    First,
}

/// Sources of the credential of a management call.
static MANAGEMENT: LazyLock<Credential> = LazyLock::new(|| Credential {
    sources: vec![
        Source::Scheme("authorization".into(), "Bearer".into()),
        Source::Header("x-api-key".into()),
    ],
    conflict: Conflict::Deny,
    forward: false,
});

/// Reads the credential of a management call, `authorization: Bearer …` or `x-api-key`, as that of a product's request is
/// read: another scheme of `authorization` is no credential, and several different values are ambiguous.
#[must_use]
pub fn management_credential<'a>(request: &'a Request<'_>) -> PresentedCredential<'a> {
    MANAGEMENT.read(&SourceReader::new(request))
}

/// Sources of credentials, and forwarding to the upstream.
#[derive(Clone, Debug)]
pub(crate) struct Credential {
    pub(crate) sources: Vec<Source>,
    pub(crate) conflict: Conflict,
    pub(crate) forward: bool,
}

impl Credential {
    /// Reads the credential of a request.
    pub(crate) fn read<'a>(&self, reader: &SourceReader<'a, '_>) -> PresentedCredential<'a> {
        let mut found = SourceValue::Absent;
        for source in &self.sources {
            let here = reader.credential(source);
            match (self.conflict, found) {
                (_, SourceValue::Absent) => found = here,
                (Conflict::Deny, _) if here != SourceValue::Absent && here != found => {
                    found = SourceValue::Multiple;
                }
                (Conflict::Deny | Conflict::First, _) => {}
            }
            let settled = match self.conflict {
                Conflict::Deny => found == SourceValue::Multiple,
                Conflict::First => found != SourceValue::Absent,
            };
            if settled {
                break;
            }
        }
        match found {
            SourceValue::Absent | SourceValue::Empty | SourceValue::Unreadable => {
                PresentedCredential::Missing
            }
            SourceValue::Multiple => PresentedCredential::Ambiguous,
            SourceValue::NotText => PresentedCredential::Malformed,
            SourceValue::Text(text) => PresentedCredential::of(text),
        }
    }
}
