//! Profiles that share a host, or declare none: the credential's form decides among them. Those that look for it
//! in the same places are looked at together, so that many of them cost no more than one.

use std::collections::HashMap;
use std::sync::Arc;

use latchkey_core::access::Presented;
use latchkey_core::kind::Forms;
use latchkey_core::token::{claimed_issuer, looks_like_one};

use crate::profile::Profile;
use crate::read::{Conflict, Credential};
use crate::request::Request;
use crate::source::{Looker, Source};

/// Several profiles, in order of their names.
#[derive(Default)]
pub(super) struct Sharers {
    profiles: Vec<Arc<Profile>>,
    groups: Vec<Group>,
}

/// Profiles that read a credential from the same places, by their numbers.
struct Group {
    credential: Credential,
    forms: Forms,
    issuers: HashMap<Box<str>, usize>,
}

impl Sharers {
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
        let (number, credential) = (self.profiles.len(), &profile.customs.credential);
        self.profiles.push(Arc::clone(profile));
        let place = self.groups.iter().position(|group| places(&group.credential) == places(credential));
        let place = place.unwrap_or_else(|| {
            let credential = credential.clone();
            self.groups.push(Group { credential, forms: Forms::default(), issuers: HashMap::new() });
            self.groups.len() - 1
        });
        let group = &mut self.groups[place];
        profile.policy.kinds.iter().for_each(|kind| group.forms.add(kind, number));
        if let Some(rules) = profile.policy.tokens.as_ref().filter(|_| profile.policy.accepts.jwt) {
            group.issuers.entry(rules.issuer.as_ref().into()).or_insert(number);
        }
    }

    /// The first whose keys have the form of the request's credential, or whose issuer the token says it is
    /// from. Whether that is true is found out by judging it.
    pub(super) fn choose(&self, request: &Request<'_>) -> Option<&Arc<Profile>> {
        let look = Looker::new(request);
        let numbers = self.groups.iter().filter_map(|group| group.owner(&look));
        self.profiles.get(numbers.min()?)
    }
}

impl Group {
    fn owner(&self, look: &Looker<'_, '_>) -> Option<usize> {
        match self.credential.read(look) {
            Presented::Value(value) if looks_like_one(value) => {
                self.issuers.get(claimed_issuer(value)?.as_str()).copied()
            }
            Presented::Value(value) => self.forms.owner(value),
            Presented::Missing | Presented::Ambiguous | Presented::Unreadable => None,
        }
    }
}

fn places(credential: &Credential) -> (&[Source], Conflict) {
    (&credential.sources, credential.conflict)
}
