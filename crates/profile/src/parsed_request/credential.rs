//! Reads the credential of a request. Several different credentials are reported as ambiguous and never guessed from.

use std::sync::LazyLock;

use latchkey_core::check_input::PresentedCredential;
use latchkey_core::token::looks_like_jwt;

use crate::request::Request;
use crate::source::{Source, SourceReader, SourceValue};
use crate::template_context::CredentialFormat;

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
    only: Vec::new(),
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
    /// Sources that take credentials of one format alone.
    pub(crate) only: Vec<(Source, CredentialFormat)>,
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
            SourceValue::Text(text) if self.only.is_empty() => PresentedCredential::of(text),
            SourceValue::Text(text) => self.of_one_format(reader, text),
        }
    }

    /// Returns the credential that was found, unless a source that it was found in takes those of the other format alone.
    fn of_one_format<'a>(&self, reader: &SourceReader<'a, '_>, text: &'a str) -> PresentedCredential<'a> {
        let presented = PresentedCredential::of(text);
        if presented != PresentedCredential::Value(text) {
            return presented;
        }
        let format = if looks_like_jwt(text) { CredentialFormat::Jwt } else { CredentialFormat::Key };
        let sent = self.sources.iter().filter(|source| reader.credential(source) != SourceValue::Absent);
        // All sources that are sent have the same value, or else the first one counts.
        let counted = if self.conflict == Conflict::First { 1 } else { self.sources.len() };
        match (sent.take(counted).all(|source| self.takes(source, format)), format) {
            (true, _) => presented,
            (false, CredentialFormat::Jwt) => PresentedCredential::NotAKey,
            (false, CredentialFormat::Key) => PresentedCredential::NotAJwt,
        }
    }

    /// Returns true if a source takes credentials of this format.
    pub(crate) fn takes(&self, source: &Source, format: CredentialFormat) -> bool {
        self.only.iter().find(|(of, _)| of == source).is_none_or(|(_, only)| *only == format)
    }
}
