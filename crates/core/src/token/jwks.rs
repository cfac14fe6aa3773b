//! Key set (RFC 7517): the public keys of all signing keys that sign now, will sign, or have signed a token
//! that may still be valid. Shared secrets are never in it.

use jsonwebtoken::jwk::{Jwk, JwkSet, PublicKeyUse};

use crate::secret::KeyHash;

/// The key set, as it is served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Jwks {
    /// JSON text.
    pub body: String,
    /// Entity tag (RFC 9110 section 8.8.3). It is equal for equal keys, on every replica.
    pub etag: String,
}

impl Jwks {
    /// Returns the key set of these keys, each with its identifier.
    #[must_use]
    pub fn new(mut keys: Vec<(Box<str>, Jwk)>) -> Self {
        keys.sort_by(|a, b| a.0.cmp(&b.0));
        let named = |(id, mut jwk): (Box<str>, Jwk)| {
            jwk.common.key_id = Some(id.into());
            jwk.common.public_key_use = Some(PublicKeyUse::Signature);
            jwk
        };
        let set = JwkSet { keys: keys.into_iter().map(named).collect() };
        // Serializing plain strings cannot fail.
        let body = serde_json::to_string(&set).unwrap_or_else(|_| r#"{"keys":[]}"#.to_owned());
        let etag = format!("\"{}\"", KeyHash::of(&body).short_hex());
        Self { body, etag }
    }
}

impl Default for Jwks {
    fn default() -> Self {
        Self::new(Vec::new())
    }
}
