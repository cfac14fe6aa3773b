//! Access to all encrypted values, for a change of the master key, and to key check values. A key check value is a
//! known text encrypted with a master key that has been in use; it shows at start-up if a different master key is
//! configured, without decrypting every value.

use async_trait::async_trait;
use latchkey_core::error::SystemError;
use latchkey_core::seal::Sealed;
use uuid::Uuid;

use super::AuditEntry;

/// Table that has encrypted values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SealedTable {
    /// Key material of signing keys.
    SigningKeys,
    /// Values of retrievable keys.
    Keys,
    /// Successors of redeemed refresh tokens.
    RefreshTokens,
    /// Secrets that profiles name.
    ProfileSecrets,
}

impl SealedTable {
    /// All tables.
    pub const ALL: [Self; 4] = [Self::SigningKeys, Self::Keys, Self::RefreshTokens, Self::ProfileSecrets];

    /// Returns the display name of the values.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::SigningKeys => "signing keys",
            Self::Keys => "retrievable keys",
            Self::RefreshTokens => "spent refresh tokens",
            Self::ProfileSecrets => "secrets of profiles",
        }
    }
}

/// Encrypted value.
#[derive(Clone)]
pub struct SealedValue {
    /// Primary key of the row; rows are read in this order.
    pub row: Vec<u8>,
    /// Owner that the value is bound to as associated data.
    pub owner: String,
    /// Encrypted value.
    pub sealed: Sealed,
    /// True unless the value belongs to a revoked key or a withdrawn signing key, which no call needs any more.
    pub needed: bool,
}

/// Replacement of a value, applied only if the value is unchanged since it was read.
#[derive(Clone)]
pub struct Replacement {
    /// Primary key of the row.
    pub row: Vec<u8>,
    /// Value as it was read.
    pub before: Sealed,
    /// Value encrypted with another master key. `None` removes the value: a signing key is withdrawn, and a redeemed
    /// refresh token is deleted.
    pub after: Option<Sealed>,
}

/// Known text that is encrypted with a master key in use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyCheckValue {
    /// Identifier of the key check value.
    pub id: Uuid,
    /// Encrypted text.
    pub sealed: Sealed,
}

/// Store of encrypted values.
#[async_trait]
pub trait SealedValueStore: Send + Sync {
    /// Returns the tables that have any value. One statement, which can scan whole tables.
    async fn sealed_tables(&self) -> Result<Vec<SealedTable>, SystemError>;
    /// Reads values of a table after a row, ordered by primary key, at most `limit`. Can scan the whole table.
    async fn sealed(
        &self,
        table: SealedTable,
        after: Option<&[u8]>,
        limit: u32,
    ) -> Result<Vec<SealedValue>, SystemError>;
    /// Replaces the values that are unchanged since they were read; returns their number.
    async fn replace(&self, table: SealedTable, values: Vec<Replacement>) -> Result<u64, SystemError>;
    /// Reads all key check values.
    async fn key_check_values(&self) -> Result<Vec<KeyCheckValue>, SystemError>;
    /// Inserts a key check value.
    async fn insert_key_check_value(&self, value: KeyCheckValue) -> Result<(), SystemError>;
    /// Deletes key check values, and records in the audit log that values were rewrapped.
    async fn finish_rewrap(&self, gone: Vec<Uuid>, audit: AuditEntry) -> Result<(), SystemError>;
}
