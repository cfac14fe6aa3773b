//! Profiles that share a host or declare none. The format of the credential selects one of them. Profiles with the
//! same credential sources are searched together, so that many of them cost no more than one.

use std::collections::HashMap;
use std::sync::Arc;

use latchkey_core::check_input::PresentedCredential;
use latchkey_core::key_kind::KeyFormatIndex;
use latchkey_core::token::{looks_like_jwt, unverified_issuer};

use crate::parsed_request::{Conflict, Credential};
use crate::profile::Profile;
use crate::request::Request;
use crate::source::{Source, SourceReader};
use crate::template_context::CredentialFormat;

/// Profiles that a request may belong to, in the order of their names.
#[derive(Default)]
pub(super) struct Candidates {
    profiles: Vec<Arc<Profile>>,
    groups: Vec<SourceGroup>,
}

/// Indexes of profiles that read the credential from the same sources.
struct SourceGroup {
    credential: Credential,
    key_formats: KeyFormatIndex,
    issuers: HashMap<Box<str>, usize>,
}

impl Candidates {
    /// Returns the first profile by name.
    pub(super) fn first(&self) -> Option<&Arc<Profile>> {
        self.profiles.first()
    }

    /// Returns the profile if there is exactly one.
    pub(super) fn only(&self) -> Option<&Arc<Profile>> {
        self.first().filter(|_| self.profiles.len() == 1)
    }

    /// Adds a profile; its name must sort after the names of all profiles that were added before.
    pub(super) fn add(&mut self, profile: &Arc<Profile>) {
        let (number, credential) = (self.profiles.len(), &profile.rules.credential);
        self.profiles.push(Arc::clone(profile));
        let index =
            self.groups.iter().position(|group| source_key(&group.credential) == source_key(credential));
        let index = index.unwrap_or_else(|| {
            let credential = credential.clone();
            self.groups.push(SourceGroup {
                credential,
                key_formats: KeyFormatIndex::default(),
                issuers: HashMap::new(),
            });
            self.groups.len() - 1
        });
        let group = &mut self.groups[index];
        profile.policy.kinds.iter().for_each(|kind| group.key_formats.add(kind, number));
        if let Some(rules) = profile.policy.tokens.as_ref().filter(|_| profile.policy.accepts.jwt) {
            group.issuers.entry(rules.issuer.as_ref().into()).or_insert(number);
        }
    }

    /// Returns the first profile whose keys have the format of the request's credential, or whose issuer the token
    /// names. The gate verifies the credential afterwards.
    pub(super) fn choose(&self, request: &Request<'_>) -> Option<&Arc<Profile>> {
        let reader = SourceReader::new(request);
        let numbers = self.groups.iter().filter_map(|group| group.owner(&reader));
        self.profiles.get(numbers.min()?)
    }
}

impl SourceGroup {
    fn owner(&self, reader: &SourceReader<'_, '_>) -> Option<usize> {
        match self.credential.read(reader) {
            PresentedCredential::Value(value) if looks_like_jwt(value) => {
                self.issuers.get(unverified_issuer(value)?.as_str()).copied()
            }
            PresentedCredential::Value(value) => self.key_formats.owner(value),
            PresentedCredential::Missing
            | PresentedCredential::Ambiguous
            | PresentedCredential::Malformed
            | PresentedCredential::NotAKey
            | PresentedCredential::NotAJwt => None,
        }
    }
}

fn source_key(credential: &Credential) -> (&[Source], Conflict, &[(Source, CredentialFormat)]) {
    (&credential.sources, credential.conflict, &credential.only)
}
