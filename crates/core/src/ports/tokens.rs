//! Records about tokens as lookups return them: families of tokens and signing keys.

use crate::secret::KeyHash;
use crate::token::SigningKeyRecord;
use crate::token::refresh::FamilyRecord;

/// A family as Check looks at it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenFamily {
    /// The family.
    pub record: FamilyRecord,
    /// The hash of the key behind it, where that is a key.
    pub key: Option<KeyHash>,
}

/// What one look-up of a family found, all of it read at one revision.
#[derive(Clone, Debug)]
pub struct FamilyLookup {
    /// The family, where there is such a one.
    pub entry: Option<TokenFamily>,
    /// Whether the signing key that was named is in force.
    pub signing_key_in_force: bool,
    /// The revision of the store that this was read at, or an earlier one.
    pub revision: u64,
}

/// Every signing key.
#[derive(Clone, Debug)]
pub struct SigningKeys {
    /// As they are kept.
    pub keys: Vec<SigningKeyRecord>,
    /// The revision of the store that they were read at, or an earlier one.
    pub revision: u64,
}
