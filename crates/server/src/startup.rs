//! Start-up, from bound ports to readiness: connects to the database, migrates its schema, ensures a first key, and
//! applies profiles. Without the database the process stays alive and retries; it ends only because of errors that a
//! retry cannot fix.

mod profiles;
mod root_key;
mod schema;

use std::convert::Infallible;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use latchkey_config::{MasterKey, RootKey};
use latchkey_core::error::{ManagementError, RequestError, SystemError};
use latchkey_core::logged_causes::LoggedCauses;
use latchkey_core::time::Clock;
use latchkey_management::ports::{AuditAction, AuditEntry};
use latchkey_store::Store;
use rand::RngExt as _;
use tokio::time::{Instant, sleep};

use crate::follower::{EntryError, Follower};
use crate::profile_files::Document;
use crate::pruning::Pruner;
use crate::random::Randomness;
use crate::readiness::Readiness;
use crate::signing::SigningKeyMaintainer;

/// Factors of the database's deadline: that of the first attempt, and the largest one. Each attempt doubles it.
const PATIENCE: (u32, u32) = (1, 8);
/// Delay before the first retry, and the longest delay.
const RETRY_DELAYS: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(1));

/// Error text for a start with a wrong master key.
pub(crate) const WRONG_MASTER_KEY: &str = "values are encrypted with another key: set the one that this database was \
    last used with (LATCHKEY_MASTER_KEY, or the file beside the embedded database); to change it, set it in \
    previous_master_keys (LATCHKEY_PREVIOUS_MASTER_KEYS) until `latchkey rewrap` has rewrapped all values";

/// Dependencies of start-up.
pub(crate) struct Startup {
    pub(crate) store: Arc<Store>,
    pub(crate) follower: Arc<Follower>,
    pub(crate) signing_keys: SigningKeyMaintainer,
    pub(crate) readiness: Readiness,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) random: Randomness,
    pub(crate) migrate: bool,
    pub(crate) master_key: MasterKey,
    pub(crate) root_key: RootKey,
    pub(crate) documents: Vec<Document>,
    /// True to apply the documents even if they take access away.
    pub(crate) force_profiles: bool,
    pub(crate) audit_token_retention: Duration,
}

/// Error of an attempt to start.
enum StartupError {
    /// A retry can help: the reason, and the error if the store does not know a cause.
    Database(&'static str, String),
    /// A retry can help: the reason and its cause.
    Retryable(&'static str, String),
    /// A retry cannot help.
    Fatal(StartupConflict),
}

/// Reason why this process must not serve, which a retry does not change.
#[derive(Debug, thiserror::Error)]
pub enum StartupConflict {
    /// Contradiction between the database and the configuration.
    #[error("{what} conflicts with the contents of the database: {failure}")]
    Contents {
        /// Setting or file that conflicts.
        what: String,
        /// The database's objection.
        failure: ManagementError,
    },
    /// File for a generated first key that can't be written.
    #[error(
        "root_key_file: the operators' first key can't be written to {path}: {error}; give root_key, or root_key_file \
         with a path that can be written",
        path = .path.display()
    )]
    RootKeyFile {
        /// Path of the file.
        path: PathBuf,
        /// Cause, by the operating system.
        error: std::io::Error,
    },
    /// Another process is the replica that this one would become.
    #[error("{0}")]
    Replicas(String),
}

impl StartupError {
    fn new(what: &str, failure: ManagementError) -> Self {
        match failure {
            ManagementError::System(error) => error.into(),
            ManagementError::Request(_) => {
                Self::Fatal(StartupConflict::Contents { what: what.to_owned(), failure })
            }
        }
    }
}

impl From<SystemError> for StartupError {
    fn from(error: SystemError) -> Self {
        match error {
            SystemError::Unavailable { .. } => Self::Database(Follower::UNUSABLE_DATABASE, error.to_string()),
            SystemError::Internal(error) => {
                Self::Retryable("the database has data that can't be read", error)
            }
        }
    }
}

impl From<EntryError> for StartupError {
    fn from(error: EntryError) -> Self {
        match error {
            EntryError::System(error) => error.into(),
            EntryError::Conflict(text) => Self::Fatal(StartupConflict::Replicas(text)),
        }
    }
}

impl Startup {
    /// Starts, reports readiness, and then follows the change feed. Returns only a fatal error.
    pub(crate) async fn run(self) -> Result<Infallible, StartupConflict> {
        let (mut pause, max_pause) = RETRY_DELAYS;
        let (mut patience, max_patience) = PATIENCE;
        let mut logged = LoggedCauses::default();
        loop {
            self.store.set_patience(patience);
            match self.try_start().await {
                Ok(()) => break,
                Err(StartupError::Fatal(conflict)) => return Err(conflict),
                Err(StartupError::Database(reason, error)) => {
                    self.wait_for(&mut logged, reason, &self.cause().unwrap_or(error));
                }
                Err(StartupError::Retryable(reason, error)) => self.wait_for(&mut logged, reason, &error),
            }
            // Random, so that replicas that lost their database together do not reconnect at the same time.
            sleep(pause.mul_f64(self.random.generator().random_range(0.5..1.0))).await;
            pause = (pause * 2).min(max_pause);
            patience = (patience * 2).min(max_patience);
        }
        self.store.set_patience(PATIENCE.0);
        // After the migrations, which need a connection of their own. A first Check that had to wait for a connection to a
        // distant database would miss its deadline.
        self.store.warm_up().await;
        self.readiness.set_ready().await;
        tracing::info!("ready");
        let pruner = Pruner {
            store: self.store.clone(),
            random: self.random.clone(),
            clock: Arc::clone(&self.clock),
            token_retention: self.audit_token_retention,
        };
        tokio::select! {
            followed = self.follower.run() => {
                let conflict = followed.map_or_else(|text| text, |never| match never {});
                Err(StartupConflict::Replicas(conflict))
            }
            () = self.follower.report_lease(&self.readiness, || self.cause()) => std::future::pending().await,
            () = self.follower.watch_outdated() => std::future::pending().await,
            () = self.signing_keys.run() => std::future::pending().await,
            () = pruner.run() => std::future::pending().await,
        }
    }

    /// Reports an attempt that failed.
    fn wait_for(&self, logged: &mut LoggedCauses<(&'static str, String)>, reason: &'static str, error: &str) {
        self.readiness.set_waiting_for(format!("{reason}: {error}"));
        if let Some(repeated) = logged.count((reason, error.to_owned()), Instant::now().into_std()) {
            tracing::warn!(%error, repeated, "not ready: {reason}; the start is retried");
        }
    }

    /// Returns why the database cannot be used: its error message, or that of the operating system.
    fn cause(&self) -> Option<String> {
        let replaced = self.store.check_database_file().err().map(|error| error.to_string());
        replaced.or_else(|| self.store.failure().map(|failure| failure.cause))
    }

    async fn try_start(&self) -> Result<(), StartupError> {
        self.store.ping().await?;
        self.ensure_schema().await?;
        self.store.try_check().await?;
        self.check_master_key().await?;
        self.ensure_root_key().await?;
        self.apply_documents().await?;
        self.follower.notify_peers();
        Ok(self.follower.initialize().await?)
    }

    /// Checks that the master key, or one of the previous ones, is the one that the database was used with, and
    /// records the use of the current one.
    async fn check_master_key(&self) -> Result<(), StartupError> {
        if !self.signing_keys.master_key_check.matches_database().await? {
            return Err(StartupError::new(
                "master_key",
                RequestError::FailedPrecondition(WRONG_MASTER_KEY.to_owned()).into(),
            ));
        }
        self.signing_keys.master_key_check.record().await?;
        self.master_key.confirm().map_err(|error| {
            StartupError::Retryable("the file of the master key can't be confirmed", error.to_string())
        })
    }

    fn audit_entry(&self, action: AuditAction, target: &str) -> AuditEntry {
        AuditEntry {
            time: self.clock.now().wall,
            tenant: None,
            actor: "latchkey".to_owned(),
            caller: None,
            action,
            target: target.to_owned(),
            request_id: "start".to_owned(),
            details: std::collections::BTreeMap::new(),
        }
    }
}
