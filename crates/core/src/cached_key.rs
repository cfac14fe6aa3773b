//! A key as Check needs it, and no more: there are millions of them in memory. What many keys have in common
//! (kind, environment, scopes) is one group that they share; what few keys have at all takes no place in the
//! others.

mod shared_attributes;
mod string_map;

use std::collections::BTreeMap;
use std::sync::Arc;

use ipnet::IpNet;

pub use self::shared_attributes::SharedKeyAttributes;
pub use self::string_map::StringMapRef;

use crate::heap_size;
use crate::id::KeyId;
use crate::limit::LimitOverrides;
use crate::policy::Policy;
use crate::record::{KeyLifecycle, KeyRecord, KeyState};
use crate::scope::ScopeSet;
use crate::time::Timestamp;

/// A key in brief.
#[derive(Debug)]
pub struct CachedKey {
    /// Its identifier.
    pub id: KeyId,
    /// For people.
    pub name: Box<str>,
    /// Its kind, environment and scopes.
    pub shared: Arc<SharedKeyAttributes>,
    /// When it stops; none: never.
    pub expires: Option<Timestamp>,
    lifecycle: Lifecycle,
    uncommon: Option<Box<UncommonFields>>,
}

/// A key's life without what only people want to know of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lifecycle {
    Active,
    Disabled,
    Revoked(Timestamp),
}

/// What most keys haven't got.
#[derive(Debug, Default)]
struct UncommonFields {
    bindings: Box<[(Box<str>, Box<str>)]>,
    metadata: Box<[(Box<str>, Box<str>)]>,
    networks: Box<[IpNet]>,
    limits: LimitOverrides,
}

impl CachedKey {
    /// What a record says, of a group that may be shared.
    pub(crate) fn new(record: KeyRecord, shared: Arc<SharedKeyAttributes>) -> Self {
        let lifecycle = match record.lifecycle {
            KeyLifecycle::Active => Lifecycle::Active,
            KeyLifecycle::Disabled => Lifecycle::Disabled,
            KeyLifecycle::Revoked { at, reason: _ } => Lifecycle::Revoked(at),
        };
        let (bindings, metadata) = (string_pairs(record.bindings), string_pairs(record.metadata));
        let uncommon =
            UncommonFields { bindings, metadata, networks: record.networks.into(), limits: record.limits };
        let uncommon = (!uncommon.is_empty()).then(|| Box::new(uncommon));
        Self { id: record.id, name: record.name.into(), shared, expires: record.expires, lifecycle, uncommon }
    }

    /// Its scopes, as the policy numbers them.
    #[must_use]
    pub fn granted(&self, policy: &Policy) -> ScopeSet {
        self.shared.granted(policy)
    }

    /// What the key is at `now`; see [`KeyRecord::state`].
    #[must_use]
    pub fn state(&self, now: Timestamp) -> KeyState {
        match self.lifecycle {
            Lifecycle::Revoked(_) => KeyState::Revoked,
            Lifecycle::Active | Lifecycle::Disabled if self.expires.is_some_and(|at| at <= now) => {
                KeyState::Expired
            }
            Lifecycle::Disabled => KeyState::Disabled,
            Lifecycle::Active => KeyState::Active,
        }
    }

    /// Since when it is revoked.
    #[must_use]
    pub fn revoked(&self) -> Option<Timestamp> {
        match self.lifecycle {
            Lifecycle::Revoked(at) => Some(at),
            Lifecycle::Active | Lifecycle::Disabled => None,
        }
    }

    /// What it is confined to; none: the whole tenant.
    #[must_use]
    pub fn bindings(&self) -> StringMapRef<'_> {
        StringMapRef::Pairs(self.uncommon.as_ref().map_or(&[], |uncommon| &uncommon.bindings))
    }

    /// The owner's own words.
    #[must_use]
    pub fn metadata(&self) -> StringMapRef<'_> {
        StringMapRef::Pairs(self.uncommon.as_ref().map_or(&[], |uncommon| &uncommon.metadata))
    }

    /// Networks that may use it; none: any.
    #[must_use]
    pub fn networks(&self) -> &[IpNet] {
        self.uncommon.as_ref().map_or(&[], |uncommon| &uncommon.networks)
    }

    /// Limits in place of its class's.
    #[must_use]
    pub fn limits(&self) -> Option<&LimitOverrides> {
        self.uncommon.as_ref().map(|uncommon| &uncommon.limits)
    }

    /// Bytes on the heap that are its own.
    pub(crate) fn heap_size(&self) -> usize {
        let uncommon = self
            .uncommon
            .as_ref()
            .map_or(0, |uncommon| heap_size::block(size_of::<UncommonFields>()) + uncommon.heap_size());
        heap_size::text(&self.name) + uncommon
    }
}

impl UncommonFields {
    fn is_empty(&self) -> bool {
        let Self { bindings, metadata, networks, limits } = self;
        bindings.is_empty() && metadata.is_empty() && networks.is_empty() && limits.0.is_empty()
    }

    fn heap_size(&self) -> usize {
        let string_pairs = |string_pairs: &[(Box<str>, Box<str>)]| {
            let texts: usize =
                string_pairs.iter().map(|(n, v)| heap_size::text(n) + heap_size::text(v)).sum();
            heap_size::block(size_of_val(string_pairs)) + texts
        };
        let networks = heap_size::block(size_of_val(&*self.networks));
        string_pairs(&self.bindings) + string_pairs(&self.metadata) + networks + self.limits.heap_size()
    }
}

fn string_pairs(map: BTreeMap<String, String>) -> Box<[(Box<str>, Box<str>)]> {
    map.into_iter().map(|(name, word)| (name.into(), word.into())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gate::tests::fixture::policy;
    use crate::record::fixture::records;

    fn brief(change: impl FnOnce(&mut KeyRecord)) -> CachedKey {
        let (mut record, tenant) = records();
        change(&mut record);
        let shared = Arc::new(SharedKeyAttributes::of(&tenant.profile, &record));
        CachedKey::new(record, shared)
    }

    #[test]
    fn a_brief_is_what_its_record_is_at_every_moment() {
        let lives = [
            KeyLifecycle::Active,
            KeyLifecycle::Disabled,
            KeyLifecycle::Revoked { at: Timestamp(5), reason: "r".into() },
        ];
        for lifecycle in lives {
            for expires in [None, Some(Timestamp(10))] {
                let (record, _) = records();
                let record = KeyRecord { lifecycle: lifecycle.clone(), expires, ..record };
                let brief = brief(|key| key.clone_from(&record));
                for now in [9, 10, 11].map(Timestamp) {
                    assert_eq!(brief.state(now), record.state(now), "{lifecycle:?} {expires:?} {now:?}");
                }
            }
        }
    }

    #[test]
    fn what_few_keys_have_is_kept_where_one_has_it() {
        let plain = brief(|_| {});
        assert!(plain.uncommon.is_none() && plain.bindings().is_empty() && plain.networks().is_empty());
        let bound = brief(|key| {
            key.bindings = [("b".into(), "2".into()), ("a".into(), "1".into())].into();
            key.networks = vec!["10.0.0.0/8".parse().unwrap()];
        });
        assert_eq!(bound.bindings().iter().collect::<Vec<_>>(), [("a", "1"), ("b", "2")]);
        assert_eq!((bound.bindings().get("b"), bound.bindings().get("c")), (Some("2"), None));
        assert!(bound.metadata().is_empty() && bound.networks().len() == 1);
        assert!(bound.heap_size() > plain.heap_size());
    }

    #[test]
    fn a_group_follows_the_versions_of_its_own_profile() {
        let mut policy = policy();
        let shared = brief(|_| {}).shared;
        assert_eq!(policy.scopes.names(&shared.granted(&policy)).collect::<Vec<_>>(), ["items.read"]);
        policy.version = 2;
        policy.scopes = crate::scope::ScopeRegistry::default();
        assert!(shared.granted(&policy).is_empty());
        let mut other = crate::gate::tests::fixture::policy();
        other.name = "other".into();
        assert!(shared.granted(&other).is_empty());
    }
}
