//! What is kept about keys and tenants, as the law sees it: lifecycles are enums with legal transitions,
//! not flags that can contradict each other.

#[cfg(test)]
pub(crate) mod fixture;

use std::collections::BTreeMap;
use std::fmt;

use ipnet::IpNet;

use crate::heap_size;
use crate::id::{KeyId, TenantId};
use crate::limit::LimitOverrides;
use crate::seal::Sealed;
use crate::secret::KeyHash;
use crate::time::Timestamp;

/// A key's life, apart from its expiry, which time brings about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyLifecycle {
    /// In use.
    Active,
    /// Switched off for now.
    Disabled,
    /// Over, for good.
    Revoked {
        /// Since when.
        at: Timestamp,
        /// As its revoker said.
        reason: String,
    },
}

/// A transition that the lifecycle doesn't have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the key is revoked, which is irreversible")]
pub struct AlreadyRevoked;

impl KeyLifecycle {
    /// Ends it.
    pub fn revoke(&self, at: Timestamp, reason: String) -> Result<Self, AlreadyRevoked> {
        match self {
            Self::Active | Self::Disabled => Ok(Self::Revoked { at, reason }),
            Self::Revoked { .. } => Err(AlreadyRevoked),
        }
    }

    /// Switches it off or on.
    pub fn set_disabled(&self, disabled: bool) -> Result<Self, AlreadyRevoked> {
        match self {
            Self::Active | Self::Disabled if disabled => Ok(Self::Disabled),
            Self::Active | Self::Disabled => Ok(Self::Active),
            Self::Revoked { .. } => Err(AlreadyRevoked),
        }
    }
}

/// What a key is at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyState {
    /// It may pass, as far as it is concerned.
    Active,
    /// Its time is over.
    Expired,
    /// It was revoked.
    Revoked,
    /// It is switched off.
    Disabled,
}

/// A key, without its value.
#[derive(Clone, PartialEq, Eq)]
pub struct KeyRecord {
    /// Its identifier.
    pub id: KeyId,
    /// Whom it belongs to.
    pub tenant: TenantId,
    /// SHA-256 of the value.
    pub hash: KeyHash,
    /// For people.
    pub name: String,
    /// One of the profile's kinds.
    pub kind: Box<str>,
    /// One of the profile's environments.
    pub environment: Box<str>,
    /// What the value starts with.
    pub prefix: Box<str>,
    /// The value's last four characters.
    pub hint: Box<str>,
    /// Canonical names, sorted.
    pub scopes: Vec<Box<str>>,
    /// What it is confined to; none: the whole tenant.
    pub bindings: BTreeMap<String, String>,
    /// Networks that may use it; none: any.
    pub networks: Vec<IpNet>,
    /// Limits in place of its class's.
    pub limits: LimitOverrides,
    /// The owner's own words.
    pub metadata: BTreeMap<String, String>,
    /// Active, disabled or revoked.
    pub lifecycle: KeyLifecycle,
    /// When it was made.
    pub created: Timestamp,
    /// Who made it.
    pub created_by: String,
    /// When it stops; none: never.
    pub expires: Option<Timestamp>,
    /// The key that it replaced.
    pub rotated_from: Option<KeyId>,
    /// The key that replaces it.
    pub rotated_to: Option<KeyId>,
    /// The value under the master key, for retrievable kinds.
    pub sealed: Option<Sealed>,
    /// When it last passed.
    pub last_used: Option<Timestamp>,
    /// The store revision of its last change.
    pub revision: u64,
}

impl KeyRecord {
    /// What the key is at `now`. A revocation outweighs an expiry, and that a switch.
    #[must_use]
    pub fn state(&self, now: Timestamp) -> KeyState {
        match &self.lifecycle {
            KeyLifecycle::Revoked { .. } => KeyState::Revoked,
            _ if self.expires.is_some_and(|at| at <= now) => KeyState::Expired,
            KeyLifecycle::Disabled => KeyState::Disabled,
            KeyLifecycle::Active => KeyState::Active,
        }
    }
}

impl fmt::Debug for KeyRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyRecord")
            .field("id", &self.id)
            .field("life", &self.lifecycle)
            .finish_non_exhaustive()
    }
}

/// A tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TenantRecord {
    /// Its identifier.
    pub id: TenantId,
    /// Unique, lower case.
    pub slug: Box<str>,
    /// For people.
    pub display_name: String,
    /// The profile that it is judged by.
    pub profile: Box<str>,
    /// One of the profile's plans.
    pub plan: Option<Box<str>>,
    /// Whether all its credentials are denied.
    pub suspended: bool,
    /// When it was made.
    pub created: Timestamp,
    /// Limits in place of its plan's.
    pub limits: LimitOverrides,
    /// The store revision of its last change.
    pub revision: u64,
}

impl TenantRecord {
    /// Bytes of it, itself and on the heap.
    pub(crate) fn heap_size(&self) -> usize {
        let plan = self.plan.as_deref().map_or(0, heap_size::text);
        let texts = heap_size::text(&self.slug)
            + heap_size::text(&self.display_name)
            + heap_size::text(&self.profile)
            + plan;
        heap_size::shared(size_of::<Self>()) + texts + self.limits.heap_size()
    }
}

/// How a caller names a tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TenantRef {
    /// By identifier.
    Id(TenantId),
    /// By slug.
    Slug(String),
}

impl TenantRef {
    /// Reads a name; one that has neither form names no tenant, and no store has to be asked about it.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let slug = || is_slug(text).then(|| Self::Slug(text.to_owned()));
        text.parse().map(Self::Id).ok().or_else(slug)
    }
}

/// Whether a text has the form of a slug: 3 to 63 lower-case letters, digits and hyphens.
#[must_use]
pub fn is_slug(text: &str) -> bool {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    (3..=63).contains(&text.len()) && text.bytes().all(plain)
}

/// A version of a profile's document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProfileRecord {
    /// Its name.
    pub name: Box<str>,
    /// 1 for the first.
    pub version: u64,
    /// The document as applied.
    pub document: String,
    /// When.
    pub applied: Timestamp,
    /// The store revision that brought it.
    pub revision: u64,
}
