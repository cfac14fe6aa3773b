//! The profiles in force. They are replaced as a whole, and readers never wait. A call uses the version that it
//! started with until its end.

mod candidates;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use latchkey_core::decision::Denial;
use latchkey_core::excerpt::Quoted;
use latchkey_core::imported_hash::ImportedHashes;
use latchkey_core::key_kind::KeyFormatIndex;
use latchkey_core::policy::Policy;
use latchkey_core::ports::Policies;
use latchkey_core::reason::Reason;

use self::candidates::Candidates;
use crate::hosts::HostMap;
use crate::parsed_request::{RequestIds, mistake};
use crate::profile::Profile;
use crate::request::Request;

/// All profiles of this replica.
#[derive(Default)]
pub struct Catalog {
    snapshot: ArcSwap<Snapshot>,
    request_ids: RequestIds,
}

#[derive(Default)]
struct Snapshot {
    by_name: BTreeMap<Box<str>, Arc<Profile>>,
    /// Profiles by host; most hosts have exactly one.
    by_host: HostMap<Candidates>,
    /// Profiles that declare no hosts.
    without_host: Candidates,
    /// Key formats of all profiles.
    key_formats: KeyFormatIndex,
    /// Policies whose keys may be stored by the hashes of another system.
    with_imported_hashes: Vec<Arc<Policy>>,
}

impl Catalog {
    /// Creates an empty catalog.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Replaces all profiles.
    pub fn replace_all(&self, profiles: Vec<Profile>) {
        self.snapshot.store(Arc::new(Snapshot::new(profiles)));
    }

    /// Returns the profile of this name.
    #[must_use]
    pub fn named(&self, name: &str) -> Option<Arc<Profile>> {
        self.snapshot.load().by_name.get(name).cloned()
    }

    /// Returns all profiles in the order of their names.
    #[must_use]
    pub fn all(&self) -> Vec<Arc<Profile>> {
        self.snapshot.load().by_name.values().cloned().collect()
    }

    /// Returns the profile that applies to a request. Envoy's route names the profile, or the host selects it, or
    /// there is only one profile, or the credential has the format of one of its keys. A call without a profile
    /// (`None`) is denied.
    #[must_use]
    pub fn choose(&self, request: &Request<'_>) -> Option<Arc<Profile>> {
        let snapshot = self.snapshot.load();
        if let Some((_, name)) = request.context.iter().find(|(n, _)| *n == "profile") {
            return snapshot.by_name.get(*name).cloned();
        }
        if let Some(claim) = snapshot.by_host.matching(request.host.canonical().unwrap_or_default()).next() {
            // Profiles that share a host are distinguished by the credential's format; without one, the first applies.
            let profile = claim.only().or_else(|| claim.choose(request)).or(claim.first());
            return profile.cloned();
        }
        if let (Some(only), 1) = (snapshot.by_name.values().next(), snapshot.by_name.len()) {
            return Some(only.clone());
        }
        snapshot.without_host.choose(request).cloned()
    }

    /// Returns the denial of a request without a profile: a mistake of Envoy's route, or a host of no profile.
    #[must_use]
    pub fn denial_without_profile(&self, request: &Request<'_>) -> Denial {
        if let Some(mistake) = mistake(request, &[]) {
            return Denial::with_message(Reason::RouteNotAllowed, mistake);
        }
        if let Some((_, name)) = request.context.iter().find(|(n, _)| *n == "profile") {
            let message = format!("The proxy's route names the profile {}, and there is none.", Quoted(name));
            return Denial::with_message(Reason::RouteNotAllowed, message);
        }
        let message = "No profile serves this host, and the credential belongs to none.";
        Denial { reason: Reason::HostNotAllowed, message: message.into() }
    }

    /// Returns a new identifier for a request that is judged by this policy, with the prefix that the profile declares.
    #[must_use]
    pub fn new_request_id(&self, policy: Option<&Policy>) -> String {
        self.request_ids
            .make(policy.and_then(|policy| policy.request_id_prefix.as_deref()).unwrap_or_default())
    }

    /// Returns the identifier of a request without a profile.
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
            profile.policy.kinds.iter().for_each(|kind| snapshot.key_formats.add(kind, 0));
            if profile.policy.kinds.iter().any(|kind| !kind.imports.hashes.is_empty()) {
                snapshot.with_imported_hashes.push(Arc::clone(&profile.policy));
            }
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
        self.snapshot.load().key_formats.owner(value).is_some()
    }

    fn imported_hashes(&self, value: &str) -> ImportedHashes {
        let mut hashes = ImportedHashes::new();
        for policy in &self.snapshot.load().with_imported_hashes {
            policy.kinds.iter().for_each(|kind| kind.add_imported_hashes(value, &mut hashes));
        }
        // In the order of `Policy::imported_hashes`.
        hashes.sort_unstable();
        hashes
    }
}
