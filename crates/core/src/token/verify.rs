//! Verification of JWTs. This module parses the header strictly, so that what the library accepts by default
//! never reaches it: an unknown `crit`, any `typ`, `zip`, an embedded `jwk`, claims of the wrong type, a
//! minute of leeway. The library verifies the signature alone, under the algorithm of the key that the header
//! names.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::DecodingKey;
use memchr::memchr_iter;
use serde::Deserialize;

use super::SigningAlgorithm;
use super::claims::{Claims, TokenIds};
use super::key_ring::KeyRing;
use crate::heap_size;
use crate::time::Timestamp;

/// Longest token in bytes.
pub const MAX_TOKEN_BYTES: usize = 8 * 1024;
/// Tolerated difference between clocks in seconds.
pub const LEEWAY_SECONDS: i64 = 5;
/// Header field `typ` of an access token.
pub(super) const TYPE: &str = "at+jwt";

/// Reason why a token is not valid. The caller does not learn which.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// The token does not have three parts of base64url, or is too long.
    #[error("it does not have the format of a JWT")]
    Malformed,
    /// The header has fields or values that Latchkey never writes.
    #[error("its header is not that of an access token")]
    Header,
    /// No signing key has the header's key identifier, or the key was withdrawn.
    #[error("no signing key in force has its key id")]
    UnknownKey,
    /// The header names another algorithm than the signing key's.
    #[error("its algorithm is not that of its signing key")]
    Algorithm,
    /// The signature is not valid.
    #[error("its signature is not valid")]
    Signature,
    /// A claim is missing or of the wrong type.
    #[error("its claims are not those of an access token")]
    Claims,
    /// The issuer or the audience is another profile's.
    #[error("it is from another issuer or for another audience")]
    Audience,
    /// The token is not valid yet.
    #[error("it is not valid yet")]
    NotYetValid,
    /// The token has expired.
    #[error("it has expired")]
    Expired,
}

/// Claims of a token with a valid signature.
#[derive(Debug)]
pub struct VerifiedClaims {
    /// Identifier of the signing key.
    pub kid: Box<str>,
    /// The profile that the signing key belongs to.
    pub profile: Box<str>,
    /// The claims.
    pub claims: Claims,
    /// The identifiers among the claims.
    pub ids: TokenIds,
}

impl VerifiedClaims {
    /// Returns the bytes on the heap.
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

/// Returns whether a value has the format of a JWT: three parts, the first of which begins as every JSON
/// object does in base64. No kind of key has that format.
#[must_use]
pub fn looks_like_jwt(value: &str) -> bool {
    value.starts_with("eyJ") && memchr_iter(b'.', value.as_bytes()).count() == 2
}

/// Returns the issuer that a token names, without verifying the token. It may be used to choose a profile and
/// for nothing else.
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

/// Verifies the signature of a token and parses its claims. It does not check the validity period and the
/// audience.
pub fn verify(token: &str, key_ring: &KeyRing) -> Result<VerifiedClaims, TokenError> {
    if token.len() > MAX_TOKEN_BYTES {
        return Err(TokenError::Malformed);
    }
    let (message, signature) = token.rsplit_once('.').ok_or(TokenError::Malformed)?;
    let (header, body) = message.split_once('.').ok_or(TokenError::Malformed)?;
    let header: JwtHeader = serde_json::from_slice(&decode(header)?).map_err(|_| TokenError::Header)?;
    if header.typ != TYPE {
        return Err(TokenError::Header);
    }
    let key = key_ring.get(&header.kid).ok_or(TokenError::UnknownKey)?;
    if header.alg != key.record.algorithm.name() {
        return Err(TokenError::Algorithm);
    }
    if !has_valid_signature(message, signature, key.record.algorithm, &key.verifier) {
        return Err(TokenError::Signature);
    }
    let claims: Claims = serde_json::from_slice(&decode(body)?).map_err(|_| TokenError::Claims)?;
    let ids = claims.ids().ok_or(TokenError::Claims)?;
    Ok(VerifiedClaims { kid: header.kid.into(), profile: key.record.profile.clone(), claims, ids })
}

/// Checks that `now` is within the validity period of a token, with the tolerated difference between clocks.
pub fn check_validity_period(claims: &Claims, now: Timestamp) -> Result<(), TokenError> {
    let now = now.0.div_euclid(1000);
    let latest = now.saturating_add(LEEWAY_SECONDS);
    if claims.iat > latest || claims.nbf > latest {
        return Err(TokenError::NotYetValid);
    }
    if claims.exp.saturating_add(LEEWAY_SECONDS) <= now {
        return Err(TokenError::Expired);
    }
    Ok(())
}

pub(super) fn has_valid_signature(
    message: &str,
    signature: &str,
    algorithm: SigningAlgorithm,
    verifier: &DecodingKey,
) -> bool {
    let algorithm = algorithm.library();
    jsonwebtoken::crypto::verify(signature, message.as_bytes(), verifier, algorithm).unwrap_or(false)
}

fn decode(part: &str) -> Result<Vec<u8>, TokenError> {
    URL_SAFE_NO_PAD.decode(part).map_err(|_| TokenError::Malformed)
}

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;
