//! Tokens: short-lived JWTs (RFC 9068) that stand for a key or a user, and the refresh tokens that renew them.
//! Here is what a token says, how it is signed and how it is read; whether what stands behind it is still
//! in order is asked by the gate, at every call.

pub mod algorithm;
pub mod claims;
pub mod jwks;
pub mod key;
pub mod material;
pub mod refresh;
pub mod ring;
mod verify;

#[cfg(test)]
mod wycheproof;

pub use algorithm::Algorithm;
pub use claims::{Claims, Parent};
pub use key::{KeyStage, SigningKeyRecord};
pub use ring::{Ring, RingKey};
pub use verify::{
    Flaw, LEEWAY_SECONDS, LONGEST_TOKEN, Verified, claimed_issuer, looks_like_one, times, verify,
};

use std::time::Duration;

/// What a profile says about its tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenRules {
    /// How they are signed.
    pub algorithm: Algorithm,
    /// `iss`.
    pub issuer: Box<str>,
    /// `aud`, where the asker names none, and the one that Check takes.
    pub audience: Box<str>,
    /// The longest life of an access token.
    pub ttl: Duration,
    /// The life of a family: nothing is refreshed after it.
    pub refresh_ttl: Duration,
}
