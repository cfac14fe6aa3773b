//! Rewrapping of all encrypted values with the current master key, for `latchkey rewrap`: works on the database
//! directly, while servers run on PostgreSQL. An embedded database must not be in use by a server.

use std::time::Duration;

use latchkey_config::{DatabaseDeadlines, DatabaseSettings, KeyFileError, MasterKey, PreviousKeys, sealer};
use latchkey_core::error::SystemError;
use latchkey_core::time::Clock as _;
use latchkey_management::ports::sealed_values::SealedTable;
use latchkey_management::rewrap::MasterKeyRotation;
pub use latchkey_management::rewrap::{RewrapCounts, RewrapReport};
use latchkey_store::{DatabaseFileError, InvalidUrl};

use crate::clock::SystemClock;
use crate::migrate::{self, EmbeddedDatabaseError};
use crate::random::Randomness;
use crate::startup::WRONG_MASTER_KEY;

/// Time that a batch waits for its turn among the servers' writes.
const WRITE_DEADLINE: Duration = Duration::from_secs(30);

/// Reason why values were not rewrapped, or not all of them.
#[derive(Debug, thiserror::Error)]
pub enum RewrapError {
    /// The master key cannot be loaded.
    #[error(transparent)]
    MasterKey(#[from] KeyFileError),
    /// The file of the master key does not exist, and is not created here.
    #[error("the master key's file {} does not exist: write the new key to it, or set master_key", .0.display())]
    MissingKeyFile(std::path::PathBuf),
    /// The database URL is invalid.
    #[error("database_url: {0}")]
    Database(#[from] InvalidUrl),
    /// The embedded database is gone, or another process uses it.
    #[error(transparent)]
    Embedded(#[from] EmbeddedDatabaseError),
    /// The given master keys are not those that values are encrypted with.
    #[error(
        "master_key: {WRONG_MASTER_KEY}. If that key is lost, --discard-unreadable deletes the values that no key decrypts"
    )]
    WrongKey,
    /// The database is unavailable. Batches that were committed stay.
    #[error("{0}; values that were rewrapped stay so: run the command again")]
    SystemError(#[from] SystemError),
    /// A row is corrupt, or the schema is outdated.
    #[error("the database's rows can't be read: {0} (is its schema up to date?)")]
    Internal(String),
    /// The system's random number generator failed.
    #[error("the system's random number generator failed: {0}")]
    Randomness(#[from] rand::rngs::SysError),
}

impl RewrapError {
    /// Returns whether another process uses the embedded database.
    #[must_use]
    pub fn is_in_use(&self) -> bool {
        matches!(self, Self::Embedded(EmbeddedDatabaseError::File(DatabaseFileError::InUse(_))))
    }
}

/// Returns the names of the tables, in the order of [`RewrapReport`].
#[must_use]
pub fn table_names() -> [&'static str; 4] {
    SealedTable::ALL.map(SealedTable::name)
}

/// Rewraps all encrypted values of a database. With `forget`, values that no key decrypts are deleted.
pub async fn rewrap(
    database: &DatabaseSettings,
    current: &MasterKey,
    previous: &PreviousKeys,
    forget: bool,
) -> Result<RewrapReport, RewrapError> {
    match current {
        MasterKey::File(path) if !current.exists() => return Err(RewrapError::MissingKeyFile(path.clone())),
        MasterKey::File(_) | MasterKey::Inline(_) => {}
    }
    let sealer = sealer(current, previous)?;
    let mut random = Randomness::new()?.generator();
    let deadlines = DatabaseDeadlines { management: WRITE_DEADLINE, ..database.deadlines };
    let store = migrate::open_store(&DatabaseSettings { deadlines, ..database.clone() })?;
    migrate::take_embedded(database, &store)?;
    let rotation = MasterKeyRotation { store: &store, sealer: &sealer };
    if !forget && !rotation.keys_match().await.map_err(to_error)? {
        return Err(RewrapError::WrongKey);
    }
    let report = rotation.rewrap(forget, SystemClock.now().wall, &mut random).await.map_err(to_error)?;
    store.close().await;
    Ok(report)
}

fn to_error(error: SystemError) -> RewrapError {
    match error {
        SystemError::Unavailable { .. } => error.into(),
        SystemError::Internal(text) => RewrapError::Internal(text),
    }
}
