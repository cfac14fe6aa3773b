//! Records of keys, tenants and profiles. Lifecycles are enums with legal transitions, and not flags that
//! could contradict each other.

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

/// Lifecycle of a key, apart from its expiry, which depends on the time alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyLifecycle {
    /// The key may be used.
    Active,
    /// The key is disabled and can be enabled again.
    Disabled,
    /// The key is revoked, which is irreversible.
    Revoked {
        /// Time of the revocation.
        at: Timestamp,
        /// Reason given for the revocation.
        reason: String,
    },
}

/// A transition from the state that has none: the key is revoked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the key is revoked, which is irreversible")]
pub struct AlreadyRevoked;

impl KeyLifecycle {
    /// Returns the lifecycle after a revocation.
    pub fn revoke(&self, at: Timestamp, reason: String) -> Result<Self, AlreadyRevoked> {
        match self {
            Self::Active | Self::Disabled => Ok(Self::Revoked { at, reason }),
            Self::Revoked { .. } => Err(AlreadyRevoked),
        }
    }

    /// Returns the lifecycle after the key was disabled or enabled.
    pub fn set_disabled(&self, disabled: bool) -> Result<Self, AlreadyRevoked> {
        match self {
            Self::Active | Self::Disabled if disabled => Ok(Self::Disabled),
            Self::Active | Self::Disabled => Ok(Self::Active),
            Self::Revoked { .. } => Err(AlreadyRevoked),
        }
    }
}

/// State of a key at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyState {
    /// The key may be used.
    Active,
    /// The key has expired.
    Expired,
    /// The key is revoked.
    Revoked,
    /// The key is disabled.
    Disabled,
}

/// A key, without its value.
#[derive(Clone, PartialEq, Eq)]
pub struct KeyRecord {
    /// The identifier.
    pub id: KeyId,
    /// The tenant that the key belongs to.
    pub tenant: TenantId,
    /// SHA-256 hash of the value.
    pub hash: KeyHash,
    /// The display name.
    pub name: String,
    /// A kind of the profile.
    pub kind: Box<str>,
    /// An environment of the profile.
    pub environment: Box<str>,
    /// Prefix of the value.
    pub prefix: Box<str>,
    /// Last four characters of the value.
    pub hint: Box<str>,
    /// Canonical names of the scopes, sorted.
    pub scopes: Vec<Box<str>>,
    /// Bindings that the key is confined to; empty for the whole tenant.
    pub bindings: BTreeMap<String, String>,
    /// Networks that the key may be used from; empty for any.
    pub networks: Vec<IpNet>,
    /// Limits that replace those of the rate class.
    pub limits: LimitOverrides,
    /// Metadata that the key's owner has set.
    pub metadata: BTreeMap<String, String>,
    /// The lifecycle: active, disabled or revoked.
    pub lifecycle: KeyLifecycle,
    /// Time of creation.
    pub created: Timestamp,
    /// The caller that created the key.
    pub created_by: String,
    /// Time of expiry; `None` if the key does not expire.
    pub expires: Option<Timestamp>,
    /// The key that this key replaced.
    pub rotated_from: Option<KeyId>,
    /// The key that replaces this key.
    pub rotated_to: Option<KeyId>,
    /// First key of a chain of rotations, whose rate-limit buckets the key continues; `None` for a key with its own.
    pub bucket_key: Option<KeyId>,
    /// The value, sealed under the master key; for retrievable kinds alone.
    pub sealed: Option<Sealed>,
    /// Time of the last allowed call.
    pub last_used: Option<Timestamp>,
    /// Revision of the last change.
    pub revision: u64,
}

impl KeyRecord {
    /// Returns the state of the key at `now`. A revocation takes precedence over expiry, and expiry over
    /// being disabled.
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
            .field("lifecycle", &self.lifecycle)
            .finish_non_exhaustive()
    }
}

/// A secret that a profile names, sealed under the master key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProfileSecretRecord {
    /// The profile.
    pub profile: Box<str>,
    /// The name in the profile.
    pub name: Box<str>,
    /// The secret.
    pub sealed: Sealed,
    /// Time at which it was set.
    pub set: Timestamp,
}

/// A tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TenantRecord {
    /// The identifier.
    pub id: TenantId,
    /// The slug: unique and in lower case.
    pub slug: Box<str>,
    /// The display name.
    pub display_name: String,
    /// The profile that the tenant belongs to.
    pub profile: Box<str>,
    /// A plan of the profile.
    pub plan: Option<Box<str>>,
    /// True if all credentials of the tenant are denied.
    pub suspended: bool,
    /// Time of creation.
    pub created: Timestamp,
    /// Limits that replace those of the plan.
    pub limits: LimitOverrides,
    /// Revision of the last change.
    pub revision: u64,
}

impl TenantRecord {
    /// Returns the bytes of the value itself and of its heap blocks.
    pub(crate) fn heap_size(&self) -> usize {
        let plan = self.plan.as_deref().map_or(0, heap_size::text);
        let texts = heap_size::text(&self.slug)
            + heap_size::text(&self.display_name)
            + heap_size::text(&self.profile)
            + plan;
        heap_size::shared(size_of::<Self>()) + texts + self.limits.heap_size()
    }
}

/// Reference to a tenant in a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TenantRef {
    /// The identifier.
    Id(TenantId),
    /// The slug.
    Slug(String),
}

impl TenantRef {
    /// Parses a reference. A text that is neither an identifier nor a slug names no tenant, and needs no
    /// query.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let slug = || is_slug(text).then(|| Self::Slug(text.to_owned()));
        text.parse().map(Self::Id).ok().or_else(slug)
    }
}

/// Returns whether a text has the format of a slug: 3 to 63 lower-case letters, digits and hyphens.
#[must_use]
pub fn is_slug(text: &str) -> bool {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    (3..=63).contains(&text.len()) && text.bytes().all(plain)
}

/// A version of a profile's document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProfileRecord {
    /// The profile's name.
    pub name: Box<str>,
    /// The version: 1 for the first.
    pub version: u64,
    /// The document, as it was applied.
    pub document: String,
    /// Time at which it was applied.
    pub applied: Timestamp,
    /// Subject that applied it; empty for versions of earlier programs.
    pub applied_by: Box<str>,
    /// Comment of the call that applied it.
    pub comment: Box<str>,
    /// Revision of the change that applied it.
    pub revision: u64,
}
