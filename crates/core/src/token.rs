//! Tokens: short-lived JWTs (RFC 9068) that stand for a key or a user, and the refresh tokens that renew
//! them. This module defines their claims, signs them and verifies them. The gate checks at every call that
//! the key or user behind a token is still in force.

pub mod algorithm;
pub mod claims;
pub mod jwks;
pub mod key;
pub mod key_ring;
pub mod material;
pub mod refresh;
mod verify;

#[cfg(test)]
mod json_web_vectors;
#[cfg(test)]
mod wycheproof;

pub use algorithm::SigningAlgorithm;
pub use claims::{Claims, TokenSubject};
pub use key::{KeyStage, SigningKeyRecord, is_signing_key_id};
pub use key_ring::{KeyRing, UnsealedSigningKey};
pub use verify::{
    LEEWAY_SECONDS, MAX_TOKEN_BYTES, TokenError, VerifiedClaims, check_validity_period, looks_like_jwt,
    unverified_issuer, verify,
};

use std::time::Duration;

use crate::limit::Limit;

/// Rules of a profile for its tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenRules {
    /// The algorithm that tokens are signed with.
    pub algorithm: SigningAlgorithm,
    /// The `iss` claim.
    pub issuer: Box<str>,
    /// The `aud` claim of tokens whose request names no audience, and the one that Check accepts.
    pub audience: Box<str>,
    /// Further audiences that a request may name. Check does not accept their tokens.
    pub audiences: Vec<Box<str>>,
    /// Longest lifetime of an access token.
    pub ttl: Duration,
    /// Lifetime of a token family. After it, no token of the family is refreshed.
    pub refresh_ttl: Duration,
    /// Limits of what tokens take in the database.
    pub limits: TokenLimits,
}

/// Limits of the tokens of one key or user, each of which takes room in the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TokenLimits {
    /// Tokens that are issued for a key or a user, and refreshes of all of its families, on each replica.
    pub issue: Limit,
    /// Refreshes of one family, on each replica.
    pub refresh: Limit,
    /// Most living families of a key or a user; a further one ends the oldest.
    pub families: u32,
}

impl Default for TokenLimits {
    fn default() -> Self {
        let per_minute = |tokens| Limit { tokens, period: Duration::from_mins(1), burst: None };
        Self { issue: per_minute(120), refresh: per_minute(60), families: 1_000 }
    }
}

impl TokenRules {
    /// Returns whether tokens may be issued for an audience.
    #[must_use]
    pub fn allows_audience(&self, audience: &str) -> bool {
        self.all_audiences().any(|allowed| allowed == audience)
    }

    /// Returns every audience that tokens may be issued for, the default first.
    pub fn all_audiences(&self) -> impl Iterator<Item = &str> {
        std::iter::once(&*self.audience).chain(self.audiences.iter().map(AsRef::as_ref))
    }
}
