//! A key as Check needs it, and no more: there are millions of them in memory. What many keys have in common
//! (kind, environment, scopes) is one group that they share; what few keys have at all takes no place in the
//! others.

mod group;
mod words;

use std::collections::BTreeMap;
use std::sync::Arc;

use ipnet::IpNet;

pub use self::group::Group;
pub use self::words::Words;

use crate::id::KeyId;
use crate::limit::Overrides;
use crate::policy::Policy;
use crate::record::{KeyLife, KeyRecord, KeyState};
use crate::scope::ScopeSet;
use crate::time::Timestamp;
use crate::weight;

/// A key in brief.
#[derive(Debug)]
pub struct KeyBrief {
    /// Its identifier.
    pub id: KeyId,
    /// For people.
    pub name: Box<str>,
    /// Its kind, environment and scopes.
    pub group: Arc<Group>,
    /// When it stops; none: never.
    pub expires: Option<Timestamp>,
    life: Life,
    rare: Option<Box<Rare>>,
}

/// A key's life without what only people want to know of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Life {
    Active,
    Disabled,
    Revoked(Timestamp),
}

/// What most keys haven't got.
#[derive(Debug, Default)]
struct Rare {
    bindings: Box<[(Box<str>, Box<str>)]>,
    metadata: Box<[(Box<str>, Box<str>)]>,
    networks: Box<[IpNet]>,
    limits: Overrides,
}

impl KeyBrief {
    /// What a record says, of a group that may be shared.
    pub(crate) fn new(record: KeyRecord, group: Arc<Group>) -> Self {
        let life = match record.life {
            KeyLife::Active => Life::Active,
            KeyLife::Disabled => Life::Disabled,
            KeyLife::Revoked { at, reason: _ } => Life::Revoked(at),
        };
        let (bindings, metadata) = (words(record.bindings), words(record.metadata));
        let rare = Rare { bindings, metadata, networks: record.networks.into(), limits: record.limits };
        let rare = (!rare.is_empty()).then(|| Box::new(rare));
        Self { id: record.id, name: record.name.into(), group, expires: record.expires, life, rare }
    }

    /// Its scopes, as the policy numbers them.
    #[must_use]
    pub fn granted(&self, policy: &Policy) -> ScopeSet {
        self.group.granted(policy)
    }

    /// What the key is at `now`; see [`KeyRecord::state`].
    #[must_use]
    pub fn state(&self, now: Timestamp) -> KeyState {
        match self.life {
            Life::Revoked(_) => KeyState::Revoked,
            Life::Active | Life::Disabled if self.expires.is_some_and(|at| at <= now) => KeyState::Expired,
            Life::Disabled => KeyState::Disabled,
            Life::Active => KeyState::Active,
        }
    }

    /// Since when it is revoked.
    #[must_use]
    pub fn revoked(&self) -> Option<Timestamp> {
        match self.life {
            Life::Revoked(at) => Some(at),
            Life::Active | Life::Disabled => None,
        }
    }

    /// What it is confined to; none: the whole tenant.
    #[must_use]
    pub fn bindings(&self) -> Words<'_> {
        Words::Few(self.rare.as_ref().map_or(&[], |rare| &rare.bindings))
    }

    /// The owner's own words.
    #[must_use]
    pub fn metadata(&self) -> Words<'_> {
        Words::Few(self.rare.as_ref().map_or(&[], |rare| &rare.metadata))
    }

    /// Networks that may use it; none: any.
    #[must_use]
    pub fn networks(&self) -> &[IpNet] {
        self.rare.as_ref().map_or(&[], |rare| &rare.networks)
    }

    /// Limits in place of its class's.
    #[must_use]
    pub fn limits(&self) -> Option<&Overrides> {
        self.rare.as_ref().map(|rare| &rare.limits)
    }

    /// Bytes on the heap that are its own.
    pub(crate) fn weight(&self) -> usize {
        let rare = self.rare.as_ref().map_or(0, |rare| weight::block(size_of::<Rare>()) + rare.weight());
        weight::text(&self.name) + rare
    }
}

impl Rare {
    fn is_empty(&self) -> bool {
        let Self { bindings, metadata, networks, limits } = self;
        bindings.is_empty() && metadata.is_empty() && networks.is_empty() && limits.0.is_empty()
    }

    fn weight(&self) -> usize {
        let words = |words: &[(Box<str>, Box<str>)]| {
            let texts: usize = words.iter().map(|(n, v)| weight::text(n) + weight::text(v)).sum();
            weight::block(size_of_val(words)) + texts
        };
        let networks = weight::block(size_of_val(&*self.networks));
        words(&self.bindings) + words(&self.metadata) + networks + self.limits.weight()
    }
}

fn words(map: BTreeMap<String, String>) -> Box<[(Box<str>, Box<str>)]> {
    map.into_iter().map(|(name, word)| (name.into(), word.into())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gate::tests::fixture::policy;
    use crate::record::fixture::records;

    fn brief(change: impl FnOnce(&mut KeyRecord)) -> KeyBrief {
        let (mut record, tenant) = records();
        change(&mut record);
        let group = Arc::new(Group::of(&tenant.profile, &record));
        KeyBrief::new(record, group)
    }

    #[test]
    fn a_brief_is_what_its_record_is_at_every_moment() {
        let lives =
            [KeyLife::Active, KeyLife::Disabled, KeyLife::Revoked { at: Timestamp(5), reason: "r".into() }];
        for life in lives {
            for expires in [None, Some(Timestamp(10))] {
                let (record, _) = records();
                let record = KeyRecord { life: life.clone(), expires, ..record };
                let brief = brief(|key| key.clone_from(&record));
                for now in [9, 10, 11].map(Timestamp) {
                    assert_eq!(brief.state(now), record.state(now), "{life:?} {expires:?} {now:?}");
                }
            }
        }
    }

    #[test]
    fn what_few_keys_have_is_kept_where_one_has_it() {
        let plain = brief(|_| {});
        assert!(plain.rare.is_none() && plain.bindings().is_empty() && plain.networks().is_empty());
        let bound = brief(|key| {
            key.bindings = [("b".into(), "2".into()), ("a".into(), "1".into())].into();
            key.networks = vec!["10.0.0.0/8".parse().unwrap()];
        });
        assert_eq!(bound.bindings().iter().collect::<Vec<_>>(), [("a", "1"), ("b", "2")]);
        assert_eq!((bound.bindings().get("b"), bound.bindings().get("c")), (Some("2"), None));
        assert!(bound.metadata().is_empty() && bound.networks().len() == 1);
        assert!(bound.weight() > plain.weight());
    }

    #[test]
    fn a_group_follows_the_versions_of_its_own_profile() {
        let mut policy = policy();
        let group = brief(|_| {}).group;
        assert_eq!(policy.scopes.names(&group.granted(&policy)).collect::<Vec<_>>(), ["items.read"]);
        policy.version = 2;
        policy.scopes = crate::scope::Catalogue::default();
        assert!(group.granted(&policy).is_empty());
        let mut other = crate::gate::tests::fixture::policy();
        other.name = "other".into();
        assert!(group.granted(&other).is_empty());
    }
}
