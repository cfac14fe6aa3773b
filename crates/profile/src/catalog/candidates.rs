//! Profiles that share a host, or declare none: the credential's form decides among them. Those that look for it
//! in the same places are looked at together, so that many of them cost no more than one.

use std::collections::HashMap;
use std::sync::Arc;

use latchkey_core::check_input::PresentedCredential;
use latchkey_core::key_kind::KeyFormatIndex;
use latchkey_core::token::{looks_like_jwt, unverified_issuer};

use crate::parsed_request::{Conflict, Credential};
use crate::profile::Profile;
use crate::request::Request;
use crate::source::{Source, SourceReader};

/// Several profiles, in order of their names.
#[derive(Default)]
pub(super) struct Candidates {
    profiles: Vec<Arc<Profile>>,
    groups: Vec<SourceGroup>,
}

/// Profiles that read a credential from the same places, by their numbers.
struct SourceGroup {
    credential: Credential,
    forms: KeyFormatIndex,
    issuers: HashMap<Box<str>, usize>,
}

impl Candidates {
    /// The first by name.
    pub(super) fn first(&self) -> Option<&Arc<Profile>> {
        self.profiles.first()
    }

    /// The only one, where there is no other.
    pub(super) fn only(&self) -> Option<&Arc<Profile>> {
        self.first().filter(|_| self.profiles.len() == 1)
    }

    /// Adds one, whose name comes after all that are here.
    pub(super) fn add(&mut self, profile: &Arc<Profile>) {
        let (number, credential) = (self.profiles.len(), &profile.rules.credential);
        self.profiles.push(Arc::clone(profile));
        let index =
            self.groups.iter().position(|group| source_key(&group.credential) == source_key(credential));
        let index = index.unwrap_or_else(|| {
            let credential = credential.clone();
            self.groups.push(SourceGroup {
                credential,
                forms: KeyFormatIndex::default(),
                issuers: HashMap::new(),
            });
            self.groups.len() - 1
        });
        let group = &mut self.groups[index];
        profile.policy.kinds.iter().for_each(|kind| group.forms.add(kind, number));
        if let Some(rules) = profile.policy.tokens.as_ref().filter(|_| profile.policy.accepts.jwt) {
            group.issuers.entry(rules.issuer.as_ref().into()).or_insert(number);
        }
    }

    /// The first whose keys have the form of the request's credential, or whose issuer the token says it is
    /// from. Whether that is true is found out by judging it.
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
            PresentedCredential::Value(value) => self.forms.owner(value),
            PresentedCredential::Missing
            | PresentedCredential::Ambiguous
            | PresentedCredential::Malformed => None,
        }
    }
}

fn source_key(credential: &Credential) -> (&[Source], Conflict) {
    (&credential.sources, credential.conflict)
}
