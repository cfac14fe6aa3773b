//! What a product's JWTs look like: kept here with everything else that a document says, for whoever issues
//! and checks them.

use std::time::Duration;

/// How tokens are signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// RFC 8037.
    EdDsa,
    /// ECDSA on P-256.
    Es256,
    /// RSA with SHA-256.
    Rs256,
    /// A shared secret; only where a product must have it.
    Hs256,
}

/// A product's tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tokens {
    /// How they are signed.
    pub algorithm: Algorithm,
    /// `iss`.
    pub issuer: Box<str>,
    /// `aud`.
    pub audience: Box<str>,
    /// How long an access token lives.
    pub ttl: Duration,
    /// How long a refresh token lives.
    pub refresh_ttl: Duration,
}
