//! Compact form of a key with the fields that Check needs, because there may be millions of keys in the
//! cache. Attributes that many keys have in common (kind, environment, scopes) are stored once and shared.
//! Fields that few keys have take no space in the others.

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

/// A key as it is kept in the cache.
#[derive(Debug)]
pub struct CachedKey {
    /// The identifier.
    pub id: KeyId,
    /// The display name.
    pub name: Box<str>,
    /// The kind, the environment and the scopes.
    pub shared: Arc<SharedKeyAttributes>,
    /// Time of expiry; `None` if the key does not expire.
    pub expires: Option<Timestamp>,
    lifecycle: Lifecycle,
    uncommon: Option<Box<UncommonFields>>,
}

/// Lifecycle of a key, without the reason of a revocation, which no decision needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lifecycle {
    Active,
    Disabled,
    Revoked(Timestamp),
}

/// Fields that most keys do not have.
#[derive(Debug, Default)]
struct UncommonFields {
    bindings: Box<[(Box<str>, Box<str>)]>,
    metadata: Box<[(Box<str>, Box<str>)]>,
    networks: Box<[IpNet]>,
    limits: LimitOverrides,
    bucket_key: Option<KeyId>,
}

impl CachedKey {
    /// Returns the compact form of a record, with attributes that may be shared.
    pub(crate) fn new(record: KeyRecord, shared: Arc<SharedKeyAttributes>) -> Self {
        let lifecycle = match record.lifecycle {
            KeyLifecycle::Active => Lifecycle::Active,
            KeyLifecycle::Disabled => Lifecycle::Disabled,
            KeyLifecycle::Revoked { at, reason: _ } => Lifecycle::Revoked(at),
        };
        let (bindings, metadata) = (string_pairs(record.bindings), string_pairs(record.metadata));
        let (networks, limits) = (record.networks.into(), record.limits);
        let uncommon = UncommonFields { bindings, metadata, networks, limits, bucket_key: record.bucket_key };
        let uncommon = (!uncommon.is_empty()).then(|| Box::new(uncommon));
        Self { id: record.id, name: record.name.into(), shared, expires: record.expires, lifecycle, uncommon }
    }

    /// Returns the key's scopes, as the policy numbers them.
    #[must_use]
    pub fn granted(&self, policy: &Policy) -> ScopeSet {
        self.shared.granted(policy)
    }

    /// Returns the state of the key at `now`; see [`KeyRecord::state`].
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

    /// Returns the time of revocation, if the key is revoked.
    #[must_use]
    pub fn revoked(&self) -> Option<Timestamp> {
        match self.lifecycle {
            Lifecycle::Revoked(at) => Some(at),
            Lifecycle::Active | Lifecycle::Disabled => None,
        }
    }

    /// Returns the bindings that the key is confined to; empty for the whole tenant.
    #[must_use]
    pub fn bindings(&self) -> StringMapRef<'_> {
        StringMapRef::Pairs(self.uncommon.as_ref().map_or(&[], |uncommon| &uncommon.bindings))
    }

    /// Returns the metadata that the key's owner has set.
    #[must_use]
    pub fn metadata(&self) -> StringMapRef<'_> {
        StringMapRef::Pairs(self.uncommon.as_ref().map_or(&[], |uncommon| &uncommon.metadata))
    }

    /// Returns the networks that the key may be used from; empty for any.
    #[must_use]
    pub fn networks(&self) -> &[IpNet] {
        self.uncommon.as_ref().map_or(&[], |uncommon| &uncommon.networks)
    }

    /// Returns the limits that replace those of the rate class.
    #[must_use]
    pub fn limits(&self) -> Option<&LimitOverrides> {
        self.uncommon.as_ref().map(|uncommon| &uncommon.limits)
    }

    /// Returns the key whose buckets this key is charged to: itself, or the first key of its chain of rotations.
    #[must_use]
    pub fn bucket_key(&self) -> KeyId {
        self.uncommon.as_ref().and_then(|uncommon| uncommon.bucket_key).unwrap_or(self.id)
    }

    /// Returns the key's own bytes on the heap, without its shared attributes.
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
        let Self { bindings, metadata, networks, limits, bucket_key } = self;
        let empty = bindings.is_empty() && metadata.is_empty() && networks.is_empty() && limits.0.is_empty();
        empty && bucket_key.is_none()
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
    map.into_iter().map(|(name, value)| (name.into(), value.into())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gate::tests::fixture::policy;
    use crate::record::fixture::records;

    fn cached_key(change: impl FnOnce(&mut KeyRecord)) -> CachedKey {
        let (mut record, tenant) = records();
        change(&mut record);
        let shared = Arc::new(SharedKeyAttributes::of(&tenant.profile, &record));
        CachedKey::new(record, shared)
    }

    #[test]
    fn a_cached_key_has_the_state_of_its_record_at_every_moment() {
        let lives = [
            KeyLifecycle::Active,
            KeyLifecycle::Disabled,
            KeyLifecycle::Revoked { at: Timestamp(5), reason: "r".into() },
        ];
        for lifecycle in lives {
            for expires in [None, Some(Timestamp(10))] {
                let (record, _) = records();
                let record = KeyRecord { lifecycle: lifecycle.clone(), expires, ..record };
                let cached = cached_key(|key| key.clone_from(&record));
                for now in [9, 10, 11].map(Timestamp) {
                    assert_eq!(cached.state(now), record.state(now), "{lifecycle:?} {expires:?} {now:?}");
                }
            }
        }
    }

    #[test]
    fn uncommon_fields_are_kept_for_the_keys_that_have_them() {
        let plain = cached_key(|_| {});
        assert!(plain.uncommon.is_none() && plain.bindings().is_empty() && plain.networks().is_empty());
        let bound = cached_key(|key| {
            key.bindings = [("b".into(), "2".into()), ("a".into(), "1".into())].into();
            key.networks = vec!["10.0.0.0/8".parse().unwrap()];
        });
        assert_eq!(bound.bindings().iter().collect::<Vec<_>>(), [("a", "1"), ("b", "2")]);
        assert_eq!((bound.bindings().get("b"), bound.bindings().get("c")), (Some("2"), None));
        assert!(bound.metadata().is_empty() && bound.networks().len() == 1);
        assert!(bound.heap_size() > plain.heap_size());
    }

    #[test]
    fn shared_attributes_follow_the_scopes_of_their_own_profile() {
        let mut policy = policy();
        let shared = cached_key(|_| {}).shared;
        assert_eq!(policy.scopes.names(&shared.granted(&policy)).collect::<Vec<_>>(), ["items.read"]);
        // A database that lost a version of the profile gives its number to another document.
        let scope = |name: &str| crate::scope::ScopeEntry {
            name: name.into(),
            description: "".into(),
            aliases: Vec::new(),
            enforce: crate::enforcement::Enforcement::Enforced,
        };
        policy.scopes = crate::scope::ScopeRegistry::new(vec![scope("a"), scope("items.read")]).unwrap();
        assert_eq!(policy.scopes.names(&shared.granted(&policy)).collect::<Vec<_>>(), ["items.read"]);
        policy.scopes = crate::scope::ScopeRegistry::default();
        assert!(shared.granted(&policy).is_empty());
        let mut other = crate::gate::tests::fixture::policy();
        other.name = "other".into();
        assert!(shared.granted(&other).is_empty());
    }
}
