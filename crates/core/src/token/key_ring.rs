//! Key ring: the unsealed signing keys in force, as one replica knows them. A key ring is built from the
//! stored records whenever they change, and is never modified.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use jsonwebtoken::jwk::Jwk;
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

/// A signing key with its unsealed material.
pub struct UnsealedSigningKey {
    /// The record, as it is stored.
    pub record: SigningKeyRecord,
    signer: EncodingKey,
    pub(super) verifier: DecodingKey,
}

impl fmt::Debug for UnsealedSigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.record.fmt(f)
    }
}

/// Header of a signed token.
#[derive(Serialize)]
struct JwtHeader<'a> {
    alg: &'static str,
    typ: &'static str,
    kid: &'a str,
}

impl UnsealedSigningKey {
    /// Signs claims and returns the token.
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

/// All signing keys in force.
#[derive(Debug, Default)]
pub struct KeyRing {
    /// The revision of the database at which the records were read, or an earlier one.
    pub revision: u64,
    keys: HashMap<Box<str>, Arc<UnsealedSigningKey>>,
    jwks: Arc<Jwks>,
    /// The key sets by profile; a profile whose keys are shared secrets has an empty one.
    jwks_by_profile: HashMap<Box<str>, Arc<Jwks>>,
}

impl KeyRing {
    /// Returns the key ring of these records, and the identifiers of the keys that cannot be unsealed.
    #[must_use]
    pub fn open(stored: SigningKeys, sealer: &Sealer, now: Timestamp) -> (Self, Vec<Box<str>>) {
        let (mut keys, mut public, mut failed) = (HashMap::new(), Vec::new(), Vec::new());
        let mut by_profile: HashMap<Box<str>, Vec<(Box<str>, Jwk)>> = HashMap::new();
        for record in stored.keys {
            match record.stage(now) {
                KeyStage::Withdrawn | KeyStage::Spent => continue,
                KeyStage::Published | KeyStage::Signing | KeyStage::Retired => {}
            }
            let id = record.id.clone();
            let Ok((key, jwk)) = open(record, sealer) else {
                failed.push(id);
                continue;
            };
            let of_profile = by_profile.entry(key.record.profile.clone()).or_default();
            of_profile.extend(jwk.clone().map(|jwk| (id.clone(), jwk)));
            public.extend(jwk.map(|jwk| (id.clone(), jwk)));
            keys.insert(id, Arc::new(key));
        }
        let jwks_by_profile =
            by_profile.into_iter().map(|(profile, keys)| (profile, Arc::new(Jwks::new(keys)))).collect();
        (Self { revision: stored.revision, keys, jwks: Arc::new(Jwks::new(public)), jwks_by_profile }, failed)
    }

    /// Returns the key with this identifier.
    #[must_use]
    pub fn get(&self, id: &str) -> Option<&Arc<UnsealedSigningKey>> {
        self.keys.get(id)
    }

    /// Returns the key that signs a profile's tokens now. Of several, it is the one that began to sign last.
    #[must_use]
    pub fn signing(
        &self,
        profile: &str,
        algorithm: SigningAlgorithm,
        now: Timestamp,
    ) -> Option<&Arc<UnsealedSigningKey>> {
        let may_sign = |k: &&Arc<UnsealedSigningKey>| {
            let r = &k.record;
            *r.profile == *profile && r.algorithm == algorithm && r.stage(now) == KeyStage::Signing
        };
        self.keys.values().filter(may_sign).max_by_key(|k| (k.record.signs_from, k.record.id.clone()))
    }

    /// Returns all keys.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<UnsealedSigningKey>> {
        self.keys.values()
    }

    /// Returns the key set of all profiles.
    #[must_use]
    pub fn jwks(&self) -> Arc<Jwks> {
        Arc::clone(&self.jwks)
    }

    /// Returns the key set of a profile; `None` if no signing key is the profile's.
    #[must_use]
    pub fn jwks_of(&self, profile: &str) -> Option<Arc<Jwks>> {
        self.jwks_by_profile.get(profile).cloned()
    }
}

fn open(
    record: SigningKeyRecord,
    sealer: &Sealer,
) -> Result<(UnsealedSigningKey, Option<Jwk>), InvalidKeyMaterial> {
    let material = record.material(sealer)?;
    let jwk = material.public()?;
    Ok((UnsealedSigningKey { signer: material.signer(), verifier: material.verifier()?, record }, jwk))
}
