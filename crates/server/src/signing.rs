//! The signing keys of this replica: read anew when the feed says that they changed, and tended by the schedule.

use std::sync::Arc;
use std::time::Duration;

use latchkey_core::manage::{TokenDesk, reload};
use latchkey_core::memory::Memory;
use latchkey_core::ports::tokens::TokenLedger;
use latchkey_core::seal::Sealer;
use latchkey_core::time::Clock;
use latchkey_core::trouble::Trouble;
use latchkey_profile::Catalog;
use tokio::time::sleep;

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
/// After so many looks, old families are swept away.
const SWEEP: u32 = 60;

/// Makes first keys and successors, for every profile in force, and sweeps old families away.
pub(crate) struct Tender {
    pub(crate) desk: Arc<TokenDesk>,
    pub(crate) catalog: Arc<Catalog>,
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
        }
        Ok(())
    }
}
