//! Loop that extends the cache's lease, calls that wait for a new lease, and reports of its end and its return.

use std::convert::Infallible;
use std::sync::atomic::Ordering;
use std::time::Duration;

use async_trait::async_trait;
use latchkey_core::error::SystemError;
use latchkey_core::ports::LeaseRenewal;
use latchkey_core::time::MonotonicInstant;
use tokio::time::{sleep, timeout};

use super::{EntryError, Follower, ROUND_INTERVAL, ROUNDS_PER_LEASE};
use crate::readiness::{Lack, Readiness};

/// Time that a Check waits for a new lease. Envoy's timeout for the whole call is 200 ms.
const RENEWAL_TIMEOUT: Duration = Duration::from_millis(80);
/// Problem of a database whose feed can't be followed although it answers.
const UNUSABLE: &str = "can't be used: see /readyz or Latchkey's log";
/// Interval at which the end and the return of the lease are noticed.
const REPORT_INTERVAL: Duration = Duration::from_millis(50);

impl Follower {
    /// Headline of every report that the database can't be used, whatever the cause.
    pub(crate) const UNUSABLE_DATABASE: &'static str = "the database cannot be read and written";

    /// Polls the feed until the future is dropped. Returns only if another process has taken this replica's place.
    pub(crate) async fn run(&self) -> Result<Infallible, String> {
        loop {
            let round = self.is_round_due();
            let polled = self.poll(round).await;
            if round && polled.is_err() {
                // The caller that has asked for the round still waits for one.
                self.round_requested.store(true, Ordering::SeqCst);
            }
            self.counts.polls[usize::from(polled.is_err())].fetch_add(1, Ordering::Relaxed);
            self.keep_damage(polled.as_ref().err());
            let is_due = polled.is_err() && self.counts.logged[0].is_due(self.parts.clock.monotonic());
            let was_failing = self.failing.swap(polled.is_err(), Ordering::SeqCst);
            match polled {
                Ok(()) if was_failing => tracing::info!("the change feed can be read again"),
                Ok(()) => {}
                Err(EntryError::Conflict(text)) => return Err(text),
                Err(EntryError::System(error)) if was_failing && !is_due => {
                    tracing::debug!(error = %error.log_text(), "the change feed is still unreadable");
                }
                Err(EntryError::System(error)) => {
                    tracing::warn!(
                        error = %error.log_text(),
                        "failed to read the change feed; it is read again at the next poll, and the cache is used until its lease expires"
                    );
                }
            }
            // In this order, so that a simulation is reproducible.
            tokio::select! {
                biased;
                () = self.wake.notified() => {}
                () = sleep(self.parts.settings.feed_poll_interval.min(self.round_interval())) => {}
            }
        }
    }

    /// Keeps the damage that made a poll fail, for health checks.
    fn keep_damage(&self, error: Option<&EntryError>) {
        self.counts.set_damage(match error {
            Some(EntryError::System(SystemError::Internal(damage))) => Some(damage.clone()),
            Some(EntryError::System(SystemError::Unavailable { .. }) | EntryError::Conflict(_)) | None => {
                None
            }
        });
    }

    /// Returns the time between two rounds. With a long poll interval, it is longer.
    fn round_interval(&self) -> Duration {
        let settings = self.parts.settings;
        ROUND_INTERVAL.max(settings.feed_poll_interval).min(settings.lease / ROUNDS_PER_LEASE)
    }

    /// Returns whether the next poll must be a round.
    fn is_round_due(&self) -> bool {
        let requested = self.round_requested.swap(false, Ordering::SeqCst);
        let now = self.parts.clock.monotonic();
        requested
            || now.since(self.last_round.borrow().1) >= self.round_interval()
            || !self.parts.cache.lease_valid(now)
    }

    /// Extends the lease after a complete round, and wakes the writers that wait for one.
    pub(super) fn complete_round(&self, number: u64, started: MonotonicInstant) {
        let end = started.plus(self.parts.settings.lease);
        self.parts.cache.extend_lease(end);
        self.last_round.send_replace((number, started));
        self.lease_end.send_replace(end);
    }

    /// Reports to the log and to health checks when the lease ends, with its cause, and when there is one again; until the
    /// future is dropped.
    pub(crate) async fn report_lease(&self, readiness: &Readiness, cause: impl Fn() -> Option<String>) {
        let mut ended: Option<MonotonicInstant> = None;
        let cause = || {
            let known = self.counts.damage().or_else(&cause);
            known.unwrap_or_else(|| "it does not answer".to_owned())
        };
        let reason = || format!("{}: {}", Self::UNUSABLE_DATABASE, cause());
        loop {
            let now = self.parts.clock.monotonic();
            match (self.parts.cache.lease_valid(now), ended) {
                (false, None) => {
                    tracing::error!(
                        cause = cause(),
                        "Checks are refused until the database can be read and written again: the cache's lease has ended"
                    );
                    readiness.set_lack(Lack::Lease, reason()).await;
                    ended = Some(now);
                }
                (true, Some(since)) => {
                    let seconds = now.since(since).as_secs_f64();
                    tracing::info!(seconds, "Checks are answered again: the cache has a lease");
                    readiness.clear_lack(Lack::Lease).await;
                    ended = None;
                }
                // The cause may become known, or change, while the outage lasts.
                (false, Some(_)) => readiness.set_lack(Lack::Lease, reason()).await,
                (true, None) => {}
            }
            sleep(REPORT_INTERVAL).await;
        }
    }
}

#[async_trait]
impl LeaseRenewal for Follower {
    /// Starts a round, and waits for it. While polls fail there is nothing to wait for.
    async fn renew(&self) -> Result<(), SystemError> {
        let error = || match self.counts.damage() {
            Some(_) => SystemError::database_refused(UNUSABLE),
            None => SystemError::database(),
        };
        if self.failing.load(Ordering::SeqCst) {
            return Err(error());
        }
        let mut lease_end = self.lease_end.subscribe();
        self.wake.notify_one();
        let valid = |end: &MonotonicInstant| self.parts.clock.monotonic() < *end;
        match timeout(RENEWAL_TIMEOUT, lease_end.wait_for(valid)).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(error()),
        }
    }
}
