//! Tokens: short-lived JWTs (RFC 9068) that stand for a key or a user, and the refresh tokens that renew them.
//! Here is what a token says, how it is signed and how it is read; whether what stands behind it is still
//! in order is asked by the gate, at every call.

pub mod algorithm;
pub mod claims;
pub mod jwks;
pub mod key;
pub mod key_ring;
pub mod material;
pub mod refresh;
mod verify;

#[cfg(test)]
mod wycheproof;

pub use algorithm::SigningAlgorithm;
pub use claims::{Claims, TokenSubject};
pub use key::{KeyStage, SigningKeyRecord};
pub use key_ring::{KeyRing, UnsealedSigningKey};
pub use verify::{
    LEEWAY_SECONDS, MAX_TOKEN_BYTES, TokenError, VerifiedClaims, check_validity_period, looks_like_jwt,
    unverified_issuer, verify,
};

use std::time::Duration;

/// What a profile says about its tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenRules {
    /// How they are signed.
    pub algorithm: SigningAlgorithm,
    /// `iss`.
    pub issuer: Box<str>,
    /// `aud`, where the asker names none, and the one that Check takes.
    pub audience: Box<str>,
    /// The longest life of an access token.
    pub ttl: Duration,
    /// The life of a family: nothing is refreshed after it.
    pub refresh_ttl: Duration,
}
