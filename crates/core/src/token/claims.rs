//! What a token says, as RFC 9068 lays it out. Reading is strict: a claim that is missing, of another type,
//! written twice or unknown makes the token foreign, since no token of ours is like that.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::heap_size;
use crate::id::{FamilyId, KeyId, TenantId, UserId};

/// The claims of an access token. Times are whole seconds since the Unix epoch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Claims {
    /// The profile's issuer.
    pub iss: String,
    /// Whom it is for; one name.
    pub aud: String,
    /// The key or the user that it stands for.
    pub sub: String,
    /// When it ends.
    pub exp: i64,
    /// When it was issued.
    pub iat: i64,
    /// When it begins.
    pub nbf: i64,
    /// Its own identifier.
    pub jti: String,
    /// The key that it was issued to; for a user, the tenant.
    pub client_id: String,
    /// The family that it belongs to.
    pub sid: String,
    /// The tenant.
    pub tid: String,
    /// The key's environment, or the one that a user is confined to; left out for a user of every one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub env: Option<String>,
    /// Canonical scopes, sorted, space-separated.
    pub scope: String,
    /// The user's role.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// What its bearer is confined to.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub bindings: BTreeMap<String, String>,
}

impl Claims {
    /// Bytes on the heap.
    pub(crate) fn heap_size(&self) -> usize {
        let Self { iss, aud, sub, jti, client_id, sid, tid, scope, .. } = self;
        let texts =
            [iss, aud, sub, jti, client_id, sid, tid, scope].into_iter().chain(&self.env).chain(&self.role);
        let bindings =
            self.bindings.iter().map(|(n, w)| heap_size::text(n) + heap_size::text(w)).sum::<usize>();
        let map = heap_size::map::<String, String>(self.bindings.len());
        texts.map(|text| heap_size::text(text)).sum::<usize>() + map + bindings
    }
}

/// What stands behind a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TokenSubject {
    /// A key.
    Key(KeyId),
    /// A user.
    User(UserId),
}

impl std::fmt::Display for TokenSubject {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Key(id) => id.fmt(f),
            Self::User(id) => id.fmt(f),
        }
    }
}

/// The identifiers among a token's claims, read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TokenIds {
    /// `sub`.
    pub parent: TokenSubject,
    /// `sid`.
    pub family: FamilyId,
    /// `tid`.
    pub tenant: TenantId,
}

impl Claims {
    /// The identifiers, where each is one.
    #[must_use]
    pub fn ids(&self) -> Option<TokenIds> {
        let key = || self.sub.parse().map(TokenSubject::Key).ok();
        let user = || self.sub.parse().map(TokenSubject::User).ok();
        let parent = key().or_else(user)?;
        Some(TokenIds { parent, family: self.sid.parse().ok()?, tenant: self.tid.parse().ok()? })
    }

    /// The scopes, one by one.
    pub fn scopes(&self) -> impl Iterator<Item = &str> {
        self.scope.split(' ').filter(|s| !s.is_empty())
    }
}
