//! Signing keys of this replica: reloaded when the change feed reports a change, and maintained by the schedule. Also
//! maintains the key check value of the master key, by which later starts detect a different key.

use std::sync::Arc;
use std::time::Duration;

use latchkey_core::cache::ReplicaCache;
use latchkey_core::error::{ManagementError, SystemError};
use latchkey_core::logged_causes::LoggedCauses;
use latchkey_core::seal::Sealer;
use latchkey_core::time::Clock;
use latchkey_core::token::KeyRing;
use latchkey_management::TokenIssuer;
use latchkey_management::ports::sealed_values::SealedValueStore;
use latchkey_management::ports::tokens::TokenStore;
use latchkey_management::rewrap::MasterKeyRotation;
use latchkey_profile::Catalog;
use tokio::time::{Instant, sleep};

use crate::random::Randomness;

/// Loads the signing keys into the cache.
pub(crate) struct SigningKeyLoader {
    pub(crate) store: Arc<dyn TokenStore>,
    pub(crate) sealer: Arc<Sealer>,
    pub(crate) cache: Arc<ReplicaCache>,
    pub(crate) clock: Arc<dyn Clock>,
}

impl SigningKeyLoader {
    /// Puts all signing keys in force, as of `revision` or later.
    pub(crate) async fn reload(&self, revision: u64) -> Result<(), SystemError> {
        self.cache.set_key_ring(&self.load(revision).await?);
        Ok(())
    }

    /// Reads all signing keys, as of `revision` or later. A key that the master key does not decrypt is left out: its
    /// tokens are rejected.
    pub(crate) async fn load(&self, revision: u64) -> Result<Arc<KeyRing>, SystemError> {
        let stored = self.store.signing_keys().await?;
        if stored.revision < revision {
            return Err(SystemError::database());
        }
        let (key_ring, undecryptable) = KeyRing::open(stored, &self.sealer, self.clock.now().wall);
        for id in undecryptable {
            tracing::error!(signing_key = %id, "failed to decrypt a signing key with the master key; its tokens are rejected");
        }
        Ok(Arc::new(key_ring))
    }
}

/// Interval at which the schedule is checked; nearly always there is nothing to do.
const INTERVAL: Duration = Duration::from_secs(1);
/// Number of intervals after which ended families and old login histories are deleted and key check values are checked.
const SWEEP_EVERY: u32 = 60;

/// Check of the master keys against the database.
pub(crate) struct MasterKeyCheck {
    pub(crate) store: Arc<dyn SealedValueStore>,
    pub(crate) sealer: Arc<Sealer>,
    pub(crate) random: Randomness,
}

impl MasterKeyCheck {
    /// Returns true if the configured master keys are those that values are encrypted with.
    pub(crate) async fn matches_database(&self) -> Result<bool, SystemError> {
        MasterKeyRotation { store: &*self.store, sealer: &self.sealer }.keys_match().await
    }

    /// Ensures that the key check value of the current master key exists: a rewrap can have deleted it while this
    /// process still encrypts with that key. Returns true if all key check values can be decrypted.
    pub(crate) async fn record(&self) -> Result<bool, SystemError> {
        let rotation = MasterKeyRotation { store: &*self.store, sealer: &self.sealer };
        rotation.ensure_key_check_value(&mut self.random.generator()).await
    }
}

/// Creates and rotates signing keys for all profiles in force, and deletes ended token families and old login histories.
pub(crate) struct SigningKeyMaintainer {
    pub(crate) issuer: Arc<TokenIssuer>,
    pub(crate) catalog: Arc<Catalog>,
    pub(crate) master_key_check: MasterKeyCheck,
}

impl SigningKeyMaintainer {
    /// Maintains signing keys until the future is dropped. Each failure is logged once, and then once a minute.
    pub(crate) async fn run(&self) {
        let mut logged = LoggedCauses::default();
        for run in 1u32.. {
            for (what, error) in self.maintain(run.is_multiple_of(SWEEP_EVERY)).await {
                let error = error.log_text();
                if let Some(repeated) = logged.count(format!("{what}: {error}"), Instant::now().into_std()) {
                    tracing::warn!(%error, repeated, "failed to {what}; it is tried again");
                }
            }
            sleep(INTERVAL).await;
        }
    }

    /// Does what is due for each profile, even if that fails for another one, and returns what has failed. Without an answer
    /// of the database, the rest is left to the next run.
    async fn maintain(&self, sweep: bool) -> Vec<(String, ManagementError)> {
        let mut failed = Vec::new();
        for profile in self.catalog.all() {
            if let Err(error) = self.issuer.maintain_signing_keys(&profile.policy).await {
                let is_no_answer = matches!(&error, ManagementError::System(system) if system.is_no_answer());
                failed.push((format!("maintain signing keys of {}", profile.policy.name), error));
                if is_no_answer {
                    return failed;
                }
            }
        }
        if sweep {
            let families = self.issuer.prune_families().await.map(drop);
            let logins = self.issuer.prune_logins().await.map(drop);
            let results = [
                ("delete ended token families", families),
                ("delete old login histories", logins),
                ("check the master key", self.check_master_key().await),
            ];
            let errors = results.into_iter().filter_map(|(what, result)| Some((what, result.err()?)));
            failed.extend(errors.map(|(what, error)| (what.to_owned(), error.into())));
        }
        failed
    }

    async fn check_master_key(&self) -> Result<(), SystemError> {
        if !self.master_key_check.record().await? {
            tracing::error!(
                "the database has values that are encrypted with a master key that this process does not have: \
                 add it to previous_master_keys, and restart"
            );
        }
        Ok(())
    }
}
