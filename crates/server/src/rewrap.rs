//! Sealing everything anew under the master key, for `latchkey rewrap`: directly at the database, while servers run.

use std::time::Duration;

use latchkey_config::{DatabaseDeadlines, DatabaseSettings, KeyFileError, MasterKey, PreviousKeys, sealer};
use latchkey_core::error::SystemError;
use latchkey_core::time::Clock as _;
use latchkey_management::ports::sealed_values::SealedTable;
use latchkey_management::rewrap::MasterKeyRotation;
pub use latchkey_management::rewrap::{RewrapCounts, RewrapReport};
use latchkey_store::InvalidUrl;

use crate::clock::SystemClock;
use crate::migrate;
use crate::random::Randomness;
use crate::startup::WRONG_MASTER_KEY;

/// How long a piece may wait for its turn among the servers' own writes.
const WRITE_DEADLINE: Duration = Duration::from_secs(30);

/// Why nothing, or not everything, was sealed anew.
#[derive(Debug, thiserror::Error)]
pub enum RewrapError {
    /// The master key can't be had.
    #[error(transparent)]
    MasterKey(#[from] KeyFileError),
    /// There is none yet, and none is made here.
    #[error("the master key's file {} is not there: write the new key to it, or give master_key", .0.display())]
    MissingKeyFile(std::path::PathBuf),
    /// The database's address is wrong.
    #[error("database_url: {0}")]
    Database(#[from] InvalidUrl),
    /// The master keys that were given are not those that values lie under.
    #[error(
        "master_key: {WRONG_MASTER_KEY}. Where the other one is lost, --discard-unreadable takes away what no key opens"
    )]
    WrongKey,
    /// The database did not do it. What was done stays done.
    #[error("{0}; what was sealed anew stays so: run it again")]
    SystemError(#[from] SystemError),
    /// A row is spoiled, or the schema is behind.
    #[error("the database's rows can't be read: {0} (is its schema up to date?)")]
    Fault(String),
    /// The system gave no randomness.
    #[error("the system gave no randomness: {0}")]
    Randomness(#[from] rand::rngs::SysError),
}

/// What each count is of, in the order of [`RewrapReport`].
#[must_use]
pub fn table_names() -> [&'static str; 3] {
    SealedTable::ALL.map(SealedTable::name)
}

/// Seals everything in this database anew. With `forget`, what no key opens is taken away.
pub async fn rewrap(
    database: &DatabaseSettings,
    (current, previous): &(MasterKey, PreviousKeys),
    forget: bool,
) -> Result<RewrapReport, RewrapError> {
    match current {
        MasterKey::File(path) if !path.exists() => return Err(RewrapError::MissingKeyFile(path.clone())),
        MasterKey::File(_) | MasterKey::Inline(_) => {}
    }
    let sealer = sealer(current, previous)?;
    let mut random = Randomness::new()?.generator();
    let deadlines = DatabaseDeadlines { management: WRITE_DEADLINE, ..database.deadlines };
    let store = migrate::open_store(&DatabaseSettings { deadlines, ..database.clone() })?;
    let opener = MasterKeyRotation { seals: &store, sealer: &sealer };
    if !forget && !opener.keys_match().await.map_err(to_error)? {
        return Err(RewrapError::WrongKey);
    }
    let done = opener.rewrap(forget, SystemClock.now().wall, &mut random).await.map_err(to_error)?;
    store.close().await;
    Ok(done)
}

fn to_error(trouble: SystemError) -> RewrapError {
    match trouble {
        SystemError::Unavailable { .. } => trouble.into(),
        SystemError::Internal(text) => RewrapError::Fault(text),
    }
}
