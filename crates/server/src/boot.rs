//! From a bound port to a ready one: reach the database, bring its schema up to date, make sure of a first
//! key, put the profiles in force. Without its database the process is alive and goes on trying; it ends by
//! itself only for what trying again can't mend.

mod profiles;
mod root_key;

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use latchkey_core::secret::PlainKey;
use latchkey_core::time::Clock;
use latchkey_core::trouble::{Failure, Refusal, Trouble};
use latchkey_management::ports::AuditEntry;
use latchkey_store::Store;
use rand::RngExt as _;
use tokio::time::sleep;

use crate::documents::Document;
use crate::follower::Follower;
use crate::pruning::Pruning;
use crate::random::Randomness;
use crate::readiness::Readiness;
use crate::signing::Tender;

/// The first pause between two tries, and the longest.
const PAUSES: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(1));

/// What is told of a start with another master key.
pub(crate) const OTHER_MASTER_KEY: &str = "values lie sealed under another one: give the one that this database was \
    last served with (LATCHKEY_MASTER_KEY, or the file beside the embedded database); to change it, give it in \
    previous_master_keys (LATCHKEY_PREVIOUS_MASTER_KEYS) until `latchkey reseal` has sealed everything anew";

/// Everything that starting needs.
pub(crate) struct Boot {
    pub(crate) store: Arc<Store>,
    pub(crate) follower: Arc<Follower>,
    pub(crate) tender: Tender,
    pub(crate) readiness: Readiness,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) random: Randomness,
    pub(crate) migrate: bool,
    pub(crate) root_key: Option<PlainKey>,
    pub(crate) documents: Vec<Document>,
}

/// Why a try to start came to nothing.
enum Stop {
    /// Trying again may help; the reason is for `/readyz`, the error for the log.
    NotYet(&'static str, String),
    /// It won't.
    Never(StartRefused),
}

/// What is in the database contradicts what was asked for at the start.
#[derive(Debug, thiserror::Error)]
#[error("{what} was refused by the database's state: {failure}")]
pub struct StartRefused {
    what: String,
    failure: Failure,
}

impl Stop {
    fn from(what: &str, failure: Failure) -> Self {
        match failure {
            Failure::Trouble(trouble) => trouble.into(),
            Failure::Refused(_) => Self::Never(StartRefused { what: what.to_owned(), failure }),
        }
    }
}

impl From<Trouble> for Stop {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Outage { .. } => Self::NotYet("the database does not answer", trouble.to_string()),
            Trouble::Fault(fault) => Self::NotYet("the database holds something that can't be read", fault),
        }
    }
}

impl Boot {
    /// Starts, says so, and follows the store from then on. Ends only where it can't go on.
    pub(crate) async fn run(self) -> Result<Infallible, StartRefused> {
        let (mut pause, longest) = PAUSES;
        loop {
            match self.attempt().await {
                Ok(()) => break,
                Err(Stop::Never(refused)) => return Err(refused),
                Err(Stop::NotYet(reason, error)) => {
                    tracing::warn!(%error, "not ready: {reason}; trying again");
                    self.readiness.waits_for(reason.to_owned());
                }
            }
            // Replicas that lost their database together don't come back to it in step.
            sleep(pause.mul_f64(self.random.generator().random_range(0.5..1.0))).await;
            pause = (pause * 2).min(longest);
        }
        self.readiness.ready().await;
        tracing::info!("ready");
        let pruning = Pruning { store: self.store.clone(), random: self.random.clone() };
        tokio::join!(self.follower.run(), self.tender.run(), pruning.run());
        std::future::pending().await
    }

    async fn attempt(&self) -> Result<(), Stop> {
        self.store.ping().await?;
        self.schema().await?;
        self.opens().await?;
        self.first_key().await?;
        self.apply_documents().await?;
        self.follower.ring();
        Ok(self.follower.begin().await?)
    }

    async fn schema(&self) -> Result<(), Stop> {
        let connection = self.store.connection();
        if self.migrate {
            let up = latchkey_migrations::up(connection).await;
            return up.map_err(|e| {
                Stop::NotYet("the database's schema could not be brought up to date", e.to_string())
            });
        }
        let steps = latchkey_migrations::status(connection).await;
        let steps =
            steps.map_err(|e| Stop::NotYet("the database's schema could not be read", e.to_string()))?;
        match steps.iter().find(|step| !step.applied) {
            None => Ok(()),
            Some(step) => Err(Stop::NotYet(
                "the database's schema is behind: run `latchkey migrate up`, or serve with --migrate",
                format!("step {} is missing", step.name),
            )),
        }
    }

    /// Whether the master key, or one of the previous, is each that this database was served with; from then on it
    /// is known to have been served with this one.
    async fn opens(&self) -> Result<(), Stop> {
        if !self.tender.marks.opens().await? {
            return Err(Stop::from("master_key", Refusal::Precondition(OTHER_MASTER_KEY.to_owned()).into()));
        }
        self.tender.marks.keep().await?;
        Ok(())
    }

    fn entry(&self, action: &'static str, target: &str) -> AuditEntry {
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
