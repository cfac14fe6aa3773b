//! The profiles in force. They are replaced as a whole, and readers never wait: a call that began under one
//! version ends under it.

mod sharers;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use latchkey_core::kind::Forms;
use latchkey_core::policy::Policy;
use latchkey_core::ports::Policies;

use self::sharers::Sharers;
use crate::hosts::{HostMap, canonical_host};
use crate::profile::Profile;
use crate::read::RequestIds;
use crate::request::Request;

/// Every profile of this replica.
#[derive(Default)]
pub struct Catalog {
    shelf: ArcSwap<Shelf>,
    request_ids: RequestIds,
}

#[derive(Default)]
struct Shelf {
    by_name: BTreeMap<Box<str>, Arc<Profile>>,
    /// Those that claim a host: nearly always one.
    by_host: HostMap<Sharers>,
    /// Those that declare no host.
    anywhere: Sharers,
    /// The keys of all of them.
    forms: Forms,
}

impl Catalog {
    /// An empty one.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Puts these profiles in the place of all others.
    pub fn replace_all(&self, profiles: Vec<Profile>) {
        self.shelf.store(Arc::new(Shelf::new(profiles)));
    }

    /// The profile of this name.
    #[must_use]
    pub fn named(&self, name: &str) -> Option<Arc<Profile>> {
        self.shelf.load().by_name.get(name).cloned()
    }

    /// Every profile, by name.
    #[must_use]
    pub fn all(&self) -> Vec<Arc<Profile>> {
        self.shelf.load().by_name.values().cloned().collect()
    }

    /// The profile that a request is judged by: Envoy's route names it, or the host does, or there is only
    /// one, or the credential has the form of one of its keys. None: nobody knows, and the call is denied.
    #[must_use]
    pub fn choose(&self, request: &Request<'_>) -> Option<Arc<Profile>> {
        let shelf = self.shelf.load();
        if let Some((_, name)) = request.context.iter().find(|(n, _)| *n == "profile") {
            return shelf.by_name.get(*name).cloned();
        }
        if let Some(claim) = shelf.by_host.matching(&canonical_host(request.host)).next() {
            // Where several share a host, keys tell them apart; who brings none is the first's.
            let profile = claim.only().or_else(|| claim.choose(request)).or(claim.first());
            return profile.cloned();
        }
        if let (Some(only), 1) = (shelf.by_name.values().next(), shelf.by_name.len()) {
            return Some(only.clone());
        }
        shelf.anywhere.choose(request).cloned()
    }

    /// The identifier of a request that no profile is known for.
    #[must_use]
    pub fn request_id<'a>(&self, request: &'a Request<'_>) -> Cow<'a, str> {
        self.request_ids.of(request)
    }
}

impl Shelf {
    fn new(profiles: Vec<Profile>) -> Self {
        let mut shelf = Self::default();
        for profile in profiles.into_iter().map(Arc::new) {
            let held = shelf.by_name.get(profile.name()).map_or(0, |p| p.policy.version);
            if profile.policy.version >= held {
                shelf.by_name.insert(profile.name().into(), profile);
            }
        }
        let mut claims = BTreeMap::new();
        for profile in shelf.by_name.values() {
            profile.policy.kinds.iter().for_each(|kind| shelf.forms.add(kind, 0));
            for pattern in profile.customs.hosts.patterns() {
                claims.entry(pattern.to_string()).or_insert((pattern, Sharers::default())).1.add(profile);
            }
            if profile.customs.hosts.is_empty() {
                shelf.anywhere.add(profile);
            }
        }
        for (pattern, claim) in claims.into_values() {
            shelf.by_host.add(pattern, claim);
        }
        shelf
    }
}

impl Policies for Catalog {
    fn named(&self, name: &str) -> Option<Arc<Policy>> {
        self.shelf.load().by_name.get(name).map(|profile| profile.policy.clone())
    }

    fn recognises(&self, value: &str) -> bool {
        self.shelf.load().forms.owner(value).is_some()
    }
}
