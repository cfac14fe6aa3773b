//! The profiles in force. They are replaced as a whole, and readers never wait: a call that began under one
//! version ends under it.

mod candidates;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use latchkey_core::key_kind::KeyFormatIndex;
use latchkey_core::policy::Policy;
use latchkey_core::ports::Policies;

use self::candidates::Candidates;
use crate::hosts::{HostMap, canonical_host};
use crate::parsed_request::RequestIds;
use crate::profile::Profile;
use crate::request::Request;

/// Every profile of this replica.
#[derive(Default)]
pub struct Catalog {
    snapshot: ArcSwap<Snapshot>,
    request_ids: RequestIds,
}

#[derive(Default)]
struct Snapshot {
    by_name: BTreeMap<Box<str>, Arc<Profile>>,
    /// Those that claim a host: nearly always one.
    by_host: HostMap<Candidates>,
    /// Those that declare no host.
    without_host: Candidates,
    /// The keys of all of them.
    forms: KeyFormatIndex,
}

impl Catalog {
    /// An empty one.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Puts these profiles in the place of all others.
    pub fn replace_all(&self, profiles: Vec<Profile>) {
        self.snapshot.store(Arc::new(Snapshot::new(profiles)));
    }

    /// The profile of this name.
    #[must_use]
    pub fn named(&self, name: &str) -> Option<Arc<Profile>> {
        self.snapshot.load().by_name.get(name).cloned()
    }

    /// Every profile, by name.
    #[must_use]
    pub fn all(&self) -> Vec<Arc<Profile>> {
        self.snapshot.load().by_name.values().cloned().collect()
    }

    /// The profile that a request is judged by: Envoy's route names it, or the host does, or there is only
    /// one, or the credential has the form of one of its keys. None: nobody knows, and the call is denied.
    #[must_use]
    pub fn choose(&self, request: &Request<'_>) -> Option<Arc<Profile>> {
        let snapshot = self.snapshot.load();
        if let Some((_, name)) = request.context.iter().find(|(n, _)| *n == "profile") {
            return snapshot.by_name.get(*name).cloned();
        }
        if let Some(claim) = snapshot.by_host.matching(&canonical_host(request.host)).next() {
            // Where several share a host, keys tell them apart; who brings none is the first's.
            let profile = claim.only().or_else(|| claim.choose(request)).or(claim.first());
            return profile.cloned();
        }
        if let (Some(only), 1) = (snapshot.by_name.values().next(), snapshot.by_name.len()) {
            return Some(only.clone());
        }
        snapshot.without_host.choose(request).cloned()
    }

    /// The identifier of a request that no profile is known for.
    #[must_use]
    pub fn request_id<'a>(&self, request: &'a Request<'_>) -> Cow<'a, str> {
        self.request_ids.of(request)
    }
}

impl Snapshot {
    fn new(profiles: Vec<Profile>) -> Self {
        let mut snapshot = Self::default();
        for profile in profiles.into_iter().map(Arc::new) {
            let current = snapshot.by_name.get(profile.name()).map_or(0, |p| p.policy.version);
            if profile.policy.version >= current {
                snapshot.by_name.insert(profile.name().into(), profile);
            }
        }
        let mut claims = BTreeMap::new();
        for profile in snapshot.by_name.values() {
            profile.policy.kinds.iter().for_each(|kind| snapshot.forms.add(kind, 0));
            for pattern in profile.rules.hosts.patterns() {
                claims.entry(pattern.to_string()).or_insert((pattern, Candidates::default())).1.add(profile);
            }
            if profile.rules.hosts.is_empty() {
                snapshot.without_host.add(profile);
            }
        }
        for (pattern, claim) in claims.into_values() {
            snapshot.by_host.add(pattern, claim);
        }
        snapshot
    }
}

impl Policies for Catalog {
    fn named(&self, name: &str) -> Option<Arc<Policy>> {
        self.snapshot.load().by_name.get(name).map(|profile| profile.policy.clone())
    }

    fn matches_key_format(&self, value: &str) -> bool {
        self.snapshot.load().forms.owner(value).is_some()
    }
}
