//! Everything that lies sealed, for whoever changes the master key; and the marks: a word under each master key that
//! has been in use, by which a start is told from one with another key without trying every value.

use async_trait::async_trait;
use latchkey_core::error::SystemError;
use latchkey_core::seal::Sealed;
use uuid::Uuid;

use super::AuditEntry;

/// Where values lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SealedTable {
    /// The material of signing keys.
    SigningKeys,
    /// Values of keys that may be read again.
    Keys,
    /// The successors of refresh tokens that were spent.
    RefreshTokens,
}

impl SealedTable {
    /// Every one.
    pub const ALL: [Self; 3] = [Self::SigningKeys, Self::Keys, Self::RefreshTokens];

    /// The words for people.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::SigningKeys => "signing keys",
            Self::Keys => "retrievable keys",
            Self::RefreshTokens => "spent refresh tokens",
        }
    }
}

/// A value that lies sealed.
#[derive(Clone)]
pub struct SealedValue {
    /// Its row's key; rows come in the order of these.
    pub row: Vec<u8>,
    /// Whom it is sealed for.
    pub owner: String,
    /// The value.
    pub sealed: Sealed,
    /// Whether anybody may need it: not that of a revoked key, nor of a signing key that was withdrawn.
    pub needed: bool,
}

/// What becomes of a value, if it is still the one that was read.
#[derive(Clone)]
pub struct Replacement {
    /// Its row's key.
    pub row: Vec<u8>,
    /// As it was read.
    pub before: Sealed,
    /// The same under another key. None: it is taken away, a signing key is withdrawn with it, and a spent refresh
    /// token is forgotten.
    pub after: Option<Sealed>,
}

/// A word sealed under a master key that is in use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyCheckValue {
    /// Its identifier.
    pub id: Uuid,
    /// The word.
    pub sealed: Sealed,
}

/// What lies sealed.
#[async_trait]
pub trait SealedValueStore: Send + Sync {
    /// Values of a drawer after a row, in order, at most `limit`. It may look through a whole table.
    async fn sealed(
        &self,
        table: SealedTable,
        after: Option<&[u8]>,
        limit: u32,
    ) -> Result<Vec<SealedValue>, SystemError>;
    /// Replaces those that are still what was read; answers how many those were.
    async fn replace(&self, table: SealedTable, values: Vec<Replacement>) -> Result<u64, SystemError>;
    /// The marks.
    async fn key_check_values(&self) -> Result<Vec<KeyCheckValue>, SystemError>;
    /// Makes one.
    async fn insert_key_check_value(&self, mark: KeyCheckValue) -> Result<(), SystemError>;
    /// Takes marks away, and notes that values were sealed anew.
    async fn finish_rewrap(&self, gone: Vec<Uuid>, audit: AuditEntry) -> Result<(), SystemError>;
}
