//! Follows the change feed: what another replica, or this one, has written is applied to memory in order, and
//! each poll that began at a moment and read everything lets memory be trusted for one lease from then.

mod others;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use latchkey_core::memory::Memory;
use latchkey_core::ports::{Changed, Feed, Ledger, Spreading};
use latchkey_core::time::Clock;
use latchkey_core::trouble::Trouble;
use latchkey_profile::{Catalog, Profile};
use tokio::sync::{Notify, watch};
use tokio::time::{sleep, timeout};

use crate::settings::Follow;
pub(crate) use others::Others;

/// Changes read at once.
const PAGE: u32 = 1_000;
/// How long a write waits for this replica's own memory. The database has just answered, so this is long.
const PATIENCE: Duration = Duration::from_millis(900);

/// What following needs.
pub(crate) struct Parts {
    pub(crate) feed: Arc<dyn Feed>,
    pub(crate) ledger: Arc<dyn Ledger>,
    pub(crate) memory: Arc<Memory>,
    pub(crate) catalog: Arc<Catalog>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) follow: Follow,
    pub(crate) others: Others,
}

/// Keeps memory and the profiles in force up with the store.
pub(crate) struct Follower {
    parts: Parts,
    wake: Notify,
    applied: watch::Sender<u64>,
}

impl Follower {
    pub(crate) fn new(parts: Parts) -> Self {
        Self { parts, wake: Notify::new(), applied: watch::channel(0).0 }
    }

    /// Takes the store as it is now for the beginning. Memory is empty yet, so nothing before matters.
    pub(crate) async fn begin(&self) -> Result<(), Trouble> {
        let revision = self.parts.feed.revision().await?;
        self.reload_profiles().await?;
        self.report(revision);
        self.poll().await
    }

    /// Follows until it is dropped.
    pub(crate) async fn run(&self) {
        let mut silent = false;
        loop {
            let polled = self.poll().await;
            let was_silent = std::mem::replace(&mut silent, polled.is_err());
            match (polled, was_silent) {
                (Ok(()), false) => {}
                (Ok(()), true) => tracing::info!("the change feed is followed again"),
                (Err(trouble), false) => {
                    tracing::warn!(
                        ?trouble,
                        "the change feed can't be read; memory is trusted for one lease"
                    );
                }
                (Err(trouble), true) => tracing::debug!(?trouble, "the change feed still can't be read"),
            }
            tokio::select! {
                () = sleep(self.parts.follow.poll) => {}
                () = self.wake.notified() => {}
            }
        }
    }

    /// Reads everything that is new. A write that another replica is about to commit isn't part of it: the
    /// lease begins when the poll began.
    async fn poll(&self) -> Result<(), Trouble> {
        let began = self.parts.clock.now().tick;
        while self.page().await? {}
        self.parts.memory.trust_until(began.after(self.parts.follow.lease));
        Ok(())
    }

    /// Applies one page; answers whether there may be more. A profile is in force before the revision that
    /// brought it counts as applied.
    async fn page(&self) -> Result<bool, Trouble> {
        let after = *self.applied.borrow();
        let changes = self.parts.feed.changes(after, PAGE).await?;
        if changes.iter().any(|change| matches!(change.subject, Changed::Profile(_))) {
            self.reload_profiles().await?;
        }
        for change in &changes {
            self.parts.memory.apply(change);
        }
        if let Some(last) = changes.last() {
            self.report(last.revision);
        }
        Ok(changes.len() >= PAGE as usize)
    }

    fn report(&self, revision: u64) {
        self.parts.memory.applied_up_to(revision);
        self.applied.send_replace(revision);
    }

    /// Puts the newest versions in force. One that doesn't compile here (a newer program has stored it) is
    /// left out: its calls are denied rather than judged by what no longer holds.
    async fn reload_profiles(&self) -> Result<(), Trouble> {
        let records = self.parts.ledger.profiles().await?;
        let compiled = records.iter().filter_map(|record| match Profile::compile(&record.document, record.version) {
            Ok(profile) => Some(profile),
            Err(errors) => {
                tracing::error!(profile = %record.name, version = record.version, %errors, "a stored profile is left out");
                None
            }
        });
        self.parts.catalog.replace_all(compiled.collect());
        Ok(())
    }
}

#[async_trait]
impl Spreading for Follower {
    async fn spread(&self, revision: u64) -> Result<(), Trouble> {
        let committed = self.parts.clock.now().tick;
        let mut applied = self.applied.subscribe();
        self.wake.notify_one();
        let here = matches!(timeout(PATIENCE, applied.wait_for(|at| *at >= revision)).await, Ok(Ok(_)));
        if !here {
            return Err(Trouble::database());
        }
        self.parts.others.wait(&*self.parts.clock, committed, self.parts.follow.lease).await;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
