//! Sealing everything anew under the master key, for `latchkey reseal`: directly at the database, while servers run.

use std::time::Duration;

use latchkey_config::{BadKeyFile, Database, Deadlines, MasterKey, PreviousKeys, sealer};
use latchkey_core::time::Clock as _;
use latchkey_core::trouble::Trouble;
use latchkey_management::ports::seals::Drawer;
use latchkey_management::reseal::Opener;
pub use latchkey_management::reseal::{Count, Resealed};
use latchkey_store::BadUrl;

use crate::boot::OTHER_MASTER_KEY;
use crate::clock::SystemClock;
use crate::random::Randomness;
use crate::schema;

/// How long a piece may wait for its turn among the servers' own writes.
const PATIENCE: Duration = Duration::from_secs(30);

/// Why nothing, or not everything, was sealed anew.
#[derive(Debug, thiserror::Error)]
pub enum ResealError {
    /// The master key can't be had.
    #[error(transparent)]
    MasterKey(#[from] BadKeyFile),
    /// There is none yet, and none is made here.
    #[error("the master key's file {} is not there: write the new key to it, or give master_key", .0.display())]
    NoFile(std::path::PathBuf),
    /// The database's address is wrong.
    #[error("database_url: {0}")]
    Database(#[from] BadUrl),
    /// The master keys that were given are not those that values lie under.
    #[error(
        "master_key: {OTHER_MASTER_KEY}. Where the other one is lost, --forget takes away what no key opens"
    )]
    OtherKey,
    /// The database did not do it. What was done stays done.
    #[error("{0}; what was sealed anew stays so: run it again")]
    Trouble(#[from] Trouble),
    /// A row is spoiled, or the schema is behind.
    #[error("the database's rows can't be read: {0} (is its schema up to date?)")]
    Fault(String),
    /// The system gave no randomness.
    #[error("the system gave no randomness: {0}")]
    Randomness(#[from] rand::rngs::SysError),
}

/// What each count is of, in the order of [`Resealed`].
#[must_use]
pub fn names() -> [&'static str; 3] {
    Drawer::ALL.map(Drawer::name)
}

/// Seals everything in this database anew. With `forget`, what no key opens is taken away.
pub async fn reseal(
    database: &Database,
    (current, previous): &(MasterKey, PreviousKeys),
    forget: bool,
) -> Result<Resealed, ResealError> {
    match current {
        MasterKey::InFile(path) if !path.exists() => return Err(ResealError::NoFile(path.clone())),
        MasterKey::InFile(_) | MasterKey::Given(_) => {}
    }
    let sealer = sealer(current, previous)?;
    let mut random = Randomness::new()?.generator();
    let deadlines = Deadlines { management: PATIENCE, ..database.deadlines };
    let store = schema::store(&Database { deadlines, ..database.clone() })?;
    let opener = Opener { seals: &store, sealer: &sealer };
    if !forget && !opener.opens().await.map_err(told)? {
        return Err(ResealError::OtherKey);
    }
    let done = opener.reseal(forget, SystemClock.now().wall, &mut random).await.map_err(told)?;
    store.close().await;
    Ok(done)
}

fn told(trouble: Trouble) -> ResealError {
    match trouble {
        Trouble::Outage { .. } => trouble.into(),
        Trouble::Fault(text) => ResealError::Fault(text),
    }
}
