//! Reading a token. What the library lets through by default (an unknown `crit`, any `typ`, `zip`, an embedded
//! `jwk`, claims of the wrong type, a minute of leeway) never gets there: the header is read here, strictly, and
//! the library is asked about the signature alone, under the algorithm of the key that the header names.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use memchr::memchr_iter;
use serde::Deserialize;
use std::sync::Arc;

use super::claims::{Claims, TokenIds};
use super::key_ring::{KeyRing, UnsealedSigningKey};
use crate::heap_size;
use crate::time::Timestamp;

/// The longest token.
pub const MAX_TOKEN_BYTES: usize = 8 * 1024;
/// How far clocks may differ.
pub const LEEWAY_SECONDS: i64 = 5;
/// `typ` of an access token.
pub(super) const TYPE: &str = "at+jwt";

/// Why a token is none of ours. Who sent it isn't told which.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Not three parts of base64url, or too long.
    #[error("it does not have the form of a token")]
    Malformed,
    /// A header that no token of ours has.
    #[error("its header is not one of ours")]
    Header,
    /// No such signing key, or one that was withdrawn.
    #[error("no signing key in force has its key id")]
    UnknownKey,
    /// Another algorithm than the key's.
    #[error("its algorithm is not its key's")]
    Algorithm,
    /// The signature doesn't fit.
    #[error("its signature does not fit")]
    Signature,
    /// A claim is missing or of the wrong type.
    #[error("its claims are not those of an access token")]
    Claims,
    /// From another issuer, or for another audience.
    #[error("it is from another issuer or for another audience")]
    Audience,
    /// Not valid yet.
    #[error("it is not valid yet")]
    NotYetValid,
    /// Over.
    #[error("it has expired")]
    Expired,
}

/// A token whose signature is right, and what it says.
#[derive(Debug)]
pub struct VerifiedClaims {
    /// The signing key's identifier.
    pub kid: Box<str>,
    /// The profile that its signing key belongs to.
    pub profile: Box<str>,
    /// What it says.
    pub claims: Claims,
    /// The identifiers that it names.
    pub ids: TokenIds,
}

impl VerifiedClaims {
    /// Bytes on the heap.
    pub(crate) fn heap_size(&self) -> usize {
        heap_size::text(&self.kid) + heap_size::text(&self.profile) + self.claims.heap_size()
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct JwtHeader {
    alg: String,
    typ: String,
    kid: String,
}

/// Whether a value is a token by its form: three parts, the first of which begins as every JSON object in
/// base64 does. No kind of key looks like that.
#[must_use]
pub fn looks_like_jwt(value: &str) -> bool {
    value.starts_with("eyJ") && memchr_iter(b'.', value.as_bytes()).count() == 2
}

/// The issuer that a token names, whoever wrote it: good for finding out who is to judge it, and nothing else.
#[must_use]
pub fn unverified_issuer(token: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct Issuer {
        iss: String,
    }
    if token.len() > MAX_TOKEN_BYTES || !looks_like_jwt(token) {
        return None;
    }
    let body = decode(token.split('.').nth(1)?).ok()?;
    serde_json::from_slice::<Issuer>(&body).ok().map(|claims| claims.iss)
}

/// Reads a token and checks its signature. Whether its time has come and what it is for is another question.
pub fn verify(token: &str, ring: &KeyRing) -> Result<VerifiedClaims, TokenError> {
    if token.len() > MAX_TOKEN_BYTES {
        return Err(TokenError::Malformed);
    }
    let (message, signature) = token.rsplit_once('.').ok_or(TokenError::Malformed)?;
    let (header, body) = message.split_once('.').ok_or(TokenError::Malformed)?;
    let header: JwtHeader = serde_json::from_slice(&decode(header)?).map_err(|_| TokenError::Header)?;
    if header.typ != TYPE {
        return Err(TokenError::Header);
    }
    let key = ring.get(&header.kid).ok_or(TokenError::UnknownKey)?;
    if header.alg != key.record.algorithm.name() {
        return Err(TokenError::Algorithm);
    }
    if !signed(message, signature, key) {
        return Err(TokenError::Signature);
    }
    let claims: Claims = serde_json::from_slice(&decode(body)?).map_err(|_| TokenError::Claims)?;
    let ids = claims.ids().ok_or(TokenError::Claims)?;
    Ok(VerifiedClaims { kid: header.kid.into(), profile: key.record.profile.clone(), claims, ids })
}

/// Whether a token's time is now, give or take the leeway.
pub fn check_validity_period(claims: &Claims, now: Timestamp) -> Result<(), TokenError> {
    let now = now.0.div_euclid(1000);
    let early = now.saturating_add(LEEWAY_SECONDS);
    if claims.iat > early || claims.nbf > early {
        return Err(TokenError::NotYetValid);
    }
    if claims.exp.saturating_add(LEEWAY_SECONDS) <= now {
        return Err(TokenError::Expired);
    }
    Ok(())
}

fn signed(message: &str, signature: &str, key: &Arc<UnsealedSigningKey>) -> bool {
    let algorithm = key.record.algorithm.library();
    jsonwebtoken::crypto::verify(signature, message.as_bytes(), &key.verifier, algorithm).unwrap_or(false)
}

fn decode(part: &str) -> Result<Vec<u8>, TokenError> {
    URL_SAFE_NO_PAD.decode(part).map_err(|_| TokenError::Malformed)
}

#[cfg(test)]
mod tests;
