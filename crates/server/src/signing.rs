//! The signing keys of this replica: read anew when the feed says that they changed, and tended by the schedule; and
//! the master key's mark, by which later starts are told from one with another key.

use std::sync::Arc;
use std::time::Duration;

use latchkey_core::cache::ReplicaCache;
use latchkey_core::error::SystemError;
use latchkey_core::seal::Sealer;
use latchkey_core::time::Clock;
use latchkey_management::ports::sealed_values::SealedValueStore;
use latchkey_management::ports::tokens::TokenStore;
use latchkey_management::rewrap::MasterKeyRotation;
use latchkey_management::{TokenIssuer, reload_signing_keys};
use latchkey_profile::Catalog;
use tokio::time::sleep;

use crate::random::Randomness;

/// Where the signing keys come from.
pub(crate) struct SigningKeyLoader {
    pub(crate) ledger: Arc<dyn TokenStore>,
    pub(crate) sealer: Arc<Sealer>,
    pub(crate) cache: Arc<ReplicaCache>,
    pub(crate) clock: Arc<dyn Clock>,
}

impl SigningKeyLoader {
    /// Reads them anew. One that the master key doesn't open is left out: its tokens are refused.
    pub(crate) async fn reload(&self) -> Result<(), SystemError> {
        let now = self.clock.now().wall;
        let undecryptable = reload_signing_keys((&*self.ledger, &self.sealer), &self.cache, now).await?;
        for id in undecryptable {
            tracing::error!(signing_key = %id, "the master key does not open a signing key; it is left out");
        }
        Ok(())
    }
}

/// How often the schedule is looked at; nearly always there is nothing to do.
const INTERVAL: Duration = Duration::from_secs(1);
/// After so many looks, old families are swept away, and the marks are looked at.
const SWEEP_EVERY: u32 = 60;

/// The master keys' marks.
pub(crate) struct MasterKeyCheck {
    pub(crate) seals: Arc<dyn SealedValueStore>,
    pub(crate) sealer: Arc<Sealer>,
    pub(crate) random: Randomness,
}

impl MasterKeyCheck {
    /// Whether the master keys that were given are those that values lie under.
    pub(crate) async fn matches_database(&self) -> Result<bool, SystemError> {
        MasterKeyRotation { seals: &*self.seals, sealer: &self.sealer }.keys_match().await
    }

    /// Makes sure of this master key's own mark: it may have been taken away by whoever sealed everything anew while
    /// this process still seals under it. Answers whether all marks open.
    pub(crate) async fn record(&self) -> Result<bool, SystemError> {
        let opener = MasterKeyRotation { seals: &*self.seals, sealer: &self.sealer };
        opener.ensure_key_check_value(&mut self.random.generator()).await
    }
}

/// Makes first keys and successors, for every profile in force, and sweeps old families away.
pub(crate) struct SigningKeyMaintainer {
    pub(crate) issuer: Arc<TokenIssuer>,
    pub(crate) catalog: Arc<Catalog>,
    pub(crate) master_key_check: MasterKeyCheck,
}

impl SigningKeyMaintainer {
    /// Tends until it is dropped.
    pub(crate) async fn run(&self) {
        let mut failing = false;
        for run in 1u32.. {
            let result = self.maintain(run.is_multiple_of(SWEEP_EVERY)).await;
            match &result {
                Err(failure) if !failing => {
                    tracing::warn!(error = %failure, "signing keys could not be tended")
                }
                Err(_) | Ok(()) => {}
            }
            failing = result.is_err();
            sleep(INTERVAL).await;
        }
    }

    async fn maintain(&self, sweep: bool) -> Result<(), latchkey_core::error::ManagementError> {
        for profile in self.catalog.all() {
            self.issuer.maintain_signing_keys(&profile.policy).await?;
        }
        if sweep {
            self.issuer.sweep().await?;
            if !self.master_key_check.record().await? {
                tracing::error!(
                    "values are being sealed under a master key that this process was not given: give it in \
                     previous_master_keys, and start anew"
                );
            }
        }
        Ok(())
    }
}
