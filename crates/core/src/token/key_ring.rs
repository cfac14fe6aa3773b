//! The signing keys that are in force, opened, as one replica knows them. A ring is made anew of the store's
//! records whenever they change, and never changed in place.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use jsonwebtoken::{DecodingKey, EncodingKey};
use serde::Serialize;

use super::SigningAlgorithm;
use super::claims::Claims;
use super::jwks::Jwks;
use super::key::{KeyStage, SigningKeyRecord};
use super::material::InvalidKeyMaterial;
use crate::ports::tokens::SigningKeys;
use crate::seal::Sealer;
use crate::time::Timestamp;

/// A signing key, opened.
pub struct UnsealedSigningKey {
    /// As it is kept.
    pub record: SigningKeyRecord,
    signer: EncodingKey,
    pub(super) verifier: DecodingKey,
}

impl fmt::Debug for UnsealedSigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.record.fmt(f)
    }
}

/// What stands in front of a token's claims.
#[derive(Serialize)]
struct JwtHeader<'a> {
    alg: &'static str,
    typ: &'static str,
    kid: &'a str,
}

impl UnsealedSigningKey {
    /// Signs claims: the token.
    pub fn sign(&self, claims: &Claims) -> Result<String, InvalidKeyMaterial> {
        let algorithm = self.record.algorithm;
        let header = JwtHeader { alg: algorithm.name(), typ: super::verify::TYPE, kid: &self.record.id };
        let mut token = part(&header)?;
        token.push('.');
        token.push_str(&part(claims)?);
        let signature = jsonwebtoken::crypto::sign(token.as_bytes(), &self.signer, algorithm.library());
        token.push('.');
        token.push_str(&signature.map_err(|_| InvalidKeyMaterial)?);
        Ok(token)
    }
}

fn part(json: &impl Serialize) -> Result<String, InvalidKeyMaterial> {
    use base64::Engine as _;
    let text = serde_json::to_vec(json).map_err(|_| InvalidKeyMaterial)?;
    Ok(base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(text))
}

/// Every signing key in force.
#[derive(Debug, Default)]
pub struct KeyRing {
    /// The revision of the store that the records were read at, or an earlier one.
    pub revision: u64,
    keys: HashMap<Box<str>, Arc<UnsealedSigningKey>>,
    jwks: Arc<Jwks>,
}

impl KeyRing {
    /// A ring of these records, and the identifiers of those that can't be opened.
    #[must_use]
    pub fn open(found: SigningKeys, sealer: &Sealer, now: Timestamp) -> (Self, Vec<Box<str>>) {
        let (mut keys, mut public, mut spoiled) = (HashMap::new(), Vec::new(), Vec::new());
        for record in found.keys {
            match record.stage(now) {
                KeyStage::Withdrawn | KeyStage::Spent => continue,
                KeyStage::Published | KeyStage::Signing | KeyStage::Retired => {}
            }
            let id = record.id.clone();
            let Ok((key, jwk)) = open(record, sealer) else {
                spoiled.push(id);
                continue;
            };
            public.extend(jwk.map(|jwk| (id.clone(), jwk)));
            keys.insert(id, Arc::new(key));
        }
        (Self { revision: found.revision, keys, jwks: Arc::new(Jwks::new(public)) }, spoiled)
    }

    /// The key of this identifier.
    #[must_use]
    pub fn get(&self, id: &str) -> Option<&Arc<UnsealedSigningKey>> {
        self.keys.get(id)
    }

    /// The key that signs a profile's tokens now: of those that may, the one that began last.
    #[must_use]
    pub fn signing(
        &self,
        profile: &str,
        algorithm: SigningAlgorithm,
        now: Timestamp,
    ) -> Option<&Arc<UnsealedSigningKey>> {
        let mine = |k: &&Arc<UnsealedSigningKey>| {
            let r = &k.record;
            *r.profile == *profile && r.algorithm == algorithm && r.stage(now) == KeyStage::Signing
        };
        self.keys.values().filter(mine).max_by_key(|k| (k.record.signs_from, k.record.id.clone()))
    }

    /// Every key.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<UnsealedSigningKey>> {
        self.keys.values()
    }

    /// The key set.
    #[must_use]
    pub fn jwks(&self) -> Arc<Jwks> {
        Arc::clone(&self.jwks)
    }
}

fn open(
    record: SigningKeyRecord,
    sealer: &Sealer,
) -> Result<(UnsealedSigningKey, Option<jsonwebtoken::jwk::Jwk>), InvalidKeyMaterial> {
    let material = record.material(sealer)?;
    let jwk = material.public()?;
    Ok((UnsealedSigningKey { signer: material.signer(), verifier: material.verifier()?, record }, jwk))
}
