//! Claims of an access token, as RFC 9068 defines them. Parsing is strict: a token with a claim that is
//! missing, of another type, repeated or unknown was not issued by Latchkey.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::heap_size;
use crate::id::{FamilyId, KeyId, TenantId, UserId};

/// Claims of an access token. Times are whole seconds since the Unix epoch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Claims {
    /// The profile's issuer.
    pub iss: String,
    /// The audience; a single name.
    pub aud: String,
    /// The key or user that the token stands for.
    pub sub: String,
    /// Time of expiry.
    pub exp: i64,
    /// Time of issue.
    pub iat: i64,
    /// Time from which the token is valid.
    pub nbf: i64,
    /// Identifier of the token.
    pub jti: String,
    /// The key that the token was issued to; for a user, the tenant.
    pub client_id: String,
    /// The token family.
    pub sid: String,
    /// The tenant.
    pub tid: String,
    /// The key's environment, or the one that a user is confined to; absent for a user of all environments.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub env: Option<String>,
    /// Canonical scopes, sorted and separated by spaces.
    pub scope: String,
    /// The user's role.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// Bindings that the token's principal is confined to.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub bindings: BTreeMap<String, String>,
}

impl Claims {
    /// Returns the bytes on the heap.
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

/// Key or user that a token stands for.
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

/// Parsed identifiers among a token's claims.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TokenIds {
    /// The `sub` claim.
    pub parent: TokenSubject,
    /// The `sid` claim.
    pub family: FamilyId,
    /// The `tid` claim.
    pub tenant: TenantId,
}

impl Claims {
    /// Returns the identifiers; `None` if one of them is not valid.
    #[must_use]
    pub fn ids(&self) -> Option<TokenIds> {
        let key = || self.sub.parse().map(TokenSubject::Key).ok();
        let user = || self.sub.parse().map(TokenSubject::User).ok();
        let parent = key().or_else(user)?;
        Some(TokenIds { parent, family: self.sid.parse().ok()?, tenant: self.tid.parse().ok()? })
    }

    /// Returns the scopes one by one.
    pub fn scopes(&self) -> impl Iterator<Item = &str> {
        self.scope.split(' ').filter(|s| !s.is_empty())
    }
}
