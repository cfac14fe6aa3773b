//! Records about tokens as lookups return them: token families and signing keys.

use super::ReadAt;
use crate::secret::KeyHash;
use crate::token::SigningKeyRecord;
use crate::token::refresh::FamilyRecord;

/// A token family, as Check needs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenFamily {
    /// The family.
    pub record: FamilyRecord,
    /// The hash of the key that the tokens stand for; `None` for a user's tokens.
    pub key: Option<KeyHash>,
}

/// Result of the lookup of a family, read at one revision.
#[derive(Clone, Debug)]
pub struct FamilyLookup {
    /// The family, if it exists.
    pub entry: Option<TokenFamily>,
    /// True if the given signing key is in force.
    pub signing_key_in_force: bool,
    /// The state of the database at which this was read.
    pub read_at: ReadAt,
}

/// All signing keys.
#[derive(Clone, Debug)]
pub struct SigningKeys {
    /// The keys, as they are stored.
    pub keys: Vec<SigningKeyRecord>,
    /// The revision of the database at which they were read, or an earlier one.
    pub revision: u64,
}
