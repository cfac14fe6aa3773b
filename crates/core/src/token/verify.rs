//! Reading a token. What the library lets through by default (an unknown `crit`, any `typ`, `zip`, an embedded
//! `jwk`, claims of the wrong type, a minute of leeway) never gets there: the header is read here, strictly, and
//! the library is asked about the signature alone, under the algorithm of the key that the header names.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use memchr::memchr_iter;
use serde::Deserialize;
use std::sync::Arc;

use super::claims::{Claims, Names};
use super::ring::{Ring, RingKey};
use crate::time::Timestamp;
use crate::weight;

/// The longest token.
pub const LONGEST_TOKEN: usize = 8 * 1024;
/// How far clocks may differ.
pub const LEEWAY_SECONDS: i64 = 5;
/// `typ` of an access token.
pub(super) const TYPE: &str = "at+jwt";

/// Why a token is none of ours. Who sent it isn't told which.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Flaw {
    /// Not three parts of base64url, or too long.
    #[error("it does not have the form of a token")]
    Form,
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
    Early,
    /// Over.
    #[error("it has expired")]
    Expired,
}

/// A token whose signature is right, and what it says.
#[derive(Debug)]
pub struct Verified {
    /// The signing key's identifier.
    pub kid: Box<str>,
    /// The profile that its signing key belongs to.
    pub profile: Box<str>,
    /// What it says.
    pub claims: Claims,
    /// The identifiers that it names.
    pub names: Names,
}

impl Verified {
    /// Bytes on the heap.
    pub(crate) fn weight(&self) -> usize {
        weight::text(&self.kid) + weight::text(&self.profile) + self.claims.weight()
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Head {
    alg: String,
    typ: String,
    kid: String,
}

/// Whether a value is a token by its form: three parts, the first of which begins as every JSON object in
/// base64 does. No kind of key looks like that.
#[must_use]
pub fn looks_like_one(value: &str) -> bool {
    value.starts_with("eyJ") && memchr_iter(b'.', value.as_bytes()).count() == 2
}

/// The issuer that a token names, whoever wrote it: good for finding out who is to judge it, and nothing else.
#[must_use]
pub fn claimed_issuer(token: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct Issuer {
        iss: String,
    }
    if token.len() > LONGEST_TOKEN || !looks_like_one(token) {
        return None;
    }
    let body = decode(token.split('.').nth(1)?).ok()?;
    serde_json::from_slice::<Issuer>(&body).ok().map(|claims| claims.iss)
}

/// Reads a token and checks its signature. Whether its time has come and what it is for is another question.
pub fn verify(token: &str, ring: &Ring) -> Result<Verified, Flaw> {
    if token.len() > LONGEST_TOKEN {
        return Err(Flaw::Form);
    }
    let (message, signature) = token.rsplit_once('.').ok_or(Flaw::Form)?;
    let (head, body) = message.split_once('.').ok_or(Flaw::Form)?;
    let head: Head = serde_json::from_slice(&decode(head)?).map_err(|_| Flaw::Header)?;
    if head.typ != TYPE {
        return Err(Flaw::Header);
    }
    let key = ring.get(&head.kid).ok_or(Flaw::UnknownKey)?;
    if head.alg != key.record.algorithm.name() {
        return Err(Flaw::Algorithm);
    }
    if !signed(message, signature, key) {
        return Err(Flaw::Signature);
    }
    let claims: Claims = serde_json::from_slice(&decode(body)?).map_err(|_| Flaw::Claims)?;
    let names = claims.names().ok_or(Flaw::Claims)?;
    Ok(Verified { kid: head.kid.into(), profile: key.record.profile.clone(), claims, names })
}

/// Whether a token's time is now, give or take the leeway.
pub fn times(claims: &Claims, now: Timestamp) -> Result<(), Flaw> {
    let now = now.0.div_euclid(1000);
    let early = now.saturating_add(LEEWAY_SECONDS);
    if claims.iat > early || claims.nbf > early {
        return Err(Flaw::Early);
    }
    if claims.exp.saturating_add(LEEWAY_SECONDS) <= now {
        return Err(Flaw::Expired);
    }
    Ok(())
}

fn signed(message: &str, signature: &str, key: &Arc<RingKey>) -> bool {
    let algorithm = key.record.algorithm.library();
    jsonwebtoken::crypto::verify(signature, message.as_bytes(), &key.verifier, algorithm).unwrap_or(false)
}

fn decode(part: &str) -> Result<Vec<u8>, Flaw> {
    URL_SAFE_NO_PAD.decode(part).map_err(|_| Flaw::Form)
}

#[cfg(test)]
mod tests;
