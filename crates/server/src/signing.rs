//! The signing keys of this replica: read anew when the feed says that they changed, and tended by the schedule; and
//! the master key's mark, by which later starts are told from one with another key.

use std::sync::Arc;
use std::time::Duration;

use latchkey_core::memory::Memory;
use latchkey_core::seal::Sealer;
use latchkey_core::time::Clock;
use latchkey_core::trouble::Trouble;
use latchkey_management::ports::seals::Seals;
use latchkey_management::ports::tokens::TokenLedger;
use latchkey_management::reseal::Opener;
use latchkey_management::{TokenDesk, reload};
use latchkey_profile::Catalog;
use tokio::time::sleep;

use crate::random::Randomness;

/// Where the signing keys come from.
pub(crate) struct SigningKeys {
    pub(crate) ledger: Arc<dyn TokenLedger>,
    pub(crate) sealer: Arc<Sealer>,
    pub(crate) memory: Arc<Memory>,
    pub(crate) clock: Arc<dyn Clock>,
}

impl SigningKeys {
    /// Reads them anew. One that the master key doesn't open is left out: its tokens are refused.
    pub(crate) async fn reload(&self) -> Result<(), Trouble> {
        let now = self.clock.now().wall;
        let spoiled = reload((&*self.ledger, &self.sealer), &self.memory, now).await?;
        for id in spoiled {
            tracing::error!(signing_key = %id, "the master key does not open a signing key; it is left out");
        }
        Ok(())
    }
}

/// How often the schedule is looked at; nearly always there is nothing to do.
const EVERY: Duration = Duration::from_secs(1);
/// After so many looks, old families are swept away, and the marks are looked at.
const SWEEP: u32 = 60;

/// The master keys' marks.
pub(crate) struct Marks {
    pub(crate) seals: Arc<dyn Seals>,
    pub(crate) sealer: Arc<Sealer>,
    pub(crate) random: Randomness,
}

impl Marks {
    /// Whether the master keys that were given are those that values lie under.
    pub(crate) async fn opens(&self) -> Result<bool, Trouble> {
        Opener { seals: &*self.seals, sealer: &self.sealer }.opens().await
    }

    /// Makes sure of this master key's own mark: it may have been taken away by whoever sealed everything anew while
    /// this process still seals under it. Answers whether all marks open.
    pub(crate) async fn keep(&self) -> Result<bool, Trouble> {
        let opener = Opener { seals: &*self.seals, sealer: &self.sealer };
        opener.mark(&mut self.random.generator()).await
    }
}

/// Makes first keys and successors, for every profile in force, and sweeps old families away.
pub(crate) struct Tender {
    pub(crate) desk: Arc<TokenDesk>,
    pub(crate) catalog: Arc<Catalog>,
    pub(crate) marks: Marks,
}

impl Tender {
    /// Tends until it is dropped.
    pub(crate) async fn run(&self) {
        let mut failing = false;
        for looks in 1u32.. {
            let tended = self.look(looks.is_multiple_of(SWEEP)).await;
            match &tended {
                Err(failure) if !failing => tracing::warn!(%failure, "signing keys could not be tended"),
                Err(_) | Ok(()) => {}
            }
            failing = tended.is_err();
            sleep(EVERY).await;
        }
    }

    async fn look(&self, sweep: bool) -> Result<(), latchkey_core::trouble::Failure> {
        for profile in self.catalog.all() {
            self.desk.tend(&profile.policy).await?;
        }
        if sweep {
            self.desk.sweep().await?;
            if !self.marks.keep().await? {
                tracing::error!(
                    "values are being sealed under a master key that this process was not given: give it in \
                     previous_master_keys, and start anew"
                );
            }
        }
        Ok(())
    }
}
