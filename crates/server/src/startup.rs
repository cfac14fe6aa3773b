//! From a bound port to a ready one: reach the database, bring its schema up to date, make sure of a first
//! key, put the profiles in force. Without its database the process is alive and goes on trying; it ends by
//! itself only for what trying again can't mend.

mod profiles;
mod root_key;

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use latchkey_core::error::{ManagementError, RequestError, SystemError};
use latchkey_core::secret::PlainKey;
use latchkey_core::time::Clock;
use latchkey_management::ports::AuditEntry;
use latchkey_store::Store;
use rand::RngExt as _;
use tokio::time::sleep;

use crate::follower::Follower;
use crate::profile_files::Document;
use crate::pruning::FeedPruner;
use crate::random::Randomness;
use crate::readiness::Readiness;
use crate::signing::SigningKeyMaintainer;

/// The first pause between two tries, and the longest.
const RETRY_DELAYS: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(1));

/// What is told of a start with another master key.
pub(crate) const WRONG_MASTER_KEY: &str = "values lie sealed under another one: give the one that this database was \
    last served with (LATCHKEY_MASTER_KEY, or the file beside the embedded database); to change it, give it in \
    previous_master_keys (LATCHKEY_PREVIOUS_MASTER_KEYS) until `latchkey rewrap` has sealed everything anew";

/// Everything that starting needs.
pub(crate) struct Startup {
    pub(crate) store: Arc<Store>,
    pub(crate) follower: Arc<Follower>,
    pub(crate) signing_keys: SigningKeyMaintainer,
    pub(crate) readiness: Readiness,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) random: Randomness,
    pub(crate) migrate: bool,
    pub(crate) root_key: Option<PlainKey>,
    pub(crate) documents: Vec<Document>,
}

/// Why a try to start came to nothing.
enum StartupError {
    /// Trying again may help; the reason is for `/readyz`, the error for the log.
    Retryable(&'static str, String),
    /// It won't.
    Fatal(StartupConflict),
}

/// What is in the database contradicts what was asked for at the start.
#[derive(Debug, thiserror::Error)]
#[error("{what} was refused by the database's state: {failure}")]
pub struct StartupConflict {
    what: String,
    failure: ManagementError,
}

impl StartupError {
    fn new(what: &str, failure: ManagementError) -> Self {
        match failure {
            ManagementError::System(trouble) => trouble.into(),
            ManagementError::Request(_) => Self::Fatal(StartupConflict { what: what.to_owned(), failure }),
        }
    }
}

impl From<SystemError> for StartupError {
    fn from(trouble: SystemError) -> Self {
        match trouble {
            SystemError::Unavailable { .. } => {
                Self::Retryable("the database does not answer", trouble.to_string())
            }
            SystemError::Internal(fault) => {
                Self::Retryable("the database holds something that can't be read", fault)
            }
        }
    }
}

impl Startup {
    /// Starts, says so, and follows the store from then on. Ends only where it can't go on.
    pub(crate) async fn run(self) -> Result<Infallible, StartupConflict> {
        let (mut pause, max_pause) = RETRY_DELAYS;
        loop {
            match self.try_start().await {
                Ok(()) => break,
                Err(StartupError::Fatal(refused)) => return Err(refused),
                Err(StartupError::Retryable(reason, error)) => {
                    tracing::warn!(%error, "not ready: {reason}; trying again");
                    self.readiness.set_waiting_for(reason.to_owned());
                }
            }
            // Replicas that lost their database together don't come back to it in step.
            sleep(pause.mul_f64(self.random.generator().random_range(0.5..1.0))).await;
            pause = (pause * 2).min(max_pause);
        }
        self.readiness.set_ready().await;
        tracing::info!("ready");
        let pruner = FeedPruner { store: self.store.clone(), random: self.random.clone() };
        tokio::join!(self.follower.run(), self.signing_keys.run(), pruner.run());
        std::future::pending().await
    }

    async fn try_start(&self) -> Result<(), StartupError> {
        self.store.ping().await?;
        self.ensure_schema().await?;
        self.check_master_key().await?;
        self.ensure_root_key().await?;
        self.apply_documents().await?;
        self.follower.notify_peers();
        Ok(self.follower.initialize().await?)
    }

    async fn ensure_schema(&self) -> Result<(), StartupError> {
        let connection = self.store.connection();
        if self.migrate {
            let up = latchkey_migrations::up(connection).await;
            return up.map_err(|e| {
                StartupError::Retryable(
                    "the database's schema could not be brought up to date",
                    e.to_string(),
                )
            });
        }
        let steps = latchkey_migrations::status(connection).await;
        let steps = steps
            .map_err(|e| StartupError::Retryable("the database's schema could not be read", e.to_string()))?;
        match steps.iter().find(|step| !step.applied) {
            None => Ok(()),
            Some(step) => Err(StartupError::Retryable(
                "the database's schema is behind: run `latchkey migrate up`, or serve with --migrate",
                format!("step {} is missing", step.name),
            )),
        }
    }

    /// Whether the master key, or one of the previous, is each that this database was served with; from then on it
    /// is known to have been served with this one.
    async fn check_master_key(&self) -> Result<(), StartupError> {
        if !self.signing_keys.master_key_check.matches_database().await? {
            return Err(StartupError::new(
                "master_key",
                RequestError::FailedPrecondition(WRONG_MASTER_KEY.to_owned()).into(),
            ));
        }
        self.signing_keys.master_key_check.record().await?;
        Ok(())
    }

    fn audit_entry(&self, action: &'static str, target: &str) -> AuditEntry {
        AuditEntry {
            time: self.clock.now().wall,
            tenant: None,
            actor: "latchkey".to_owned(),
            action,
            target: target.to_owned(),
            request_id: "start".to_owned(),
            details: std::collections::BTreeMap::new(),
        }
    }
}
