//! Monitor of a serving process: makes the checks at the start and every minute, logs each finding once when it appears
//! and once when it is over, and keeps their numbers for the metric.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::time::Duration;

use latchkey_config::{SecretFile, Settings, TlsSettings};
use latchkey_core::time::Clock;
use latchkey_management::ports::tokens::TokenStore as _;
use latchkey_profile::Catalog;
use latchkey_store::Store;
use latchkey_transport::tls::SettingFile;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use super::{
    HostCheck, HostFinding, certificates, clock, connection_certificates, disk, examine_files, lookups,
    signing_keys,
};
use crate::doctor::Severity;
use crate::readiness::Stage;

/// Interval between two rounds of checks.
const INTERVAL: Duration = Duration::from_mins(1);
/// Value of a number that is not known.
const UNKNOWN: i64 = i64::MIN;

/// Results of the last round, for metrics.
pub(crate) struct HostStatus {
    counts: [AtomicUsize; HostCheck::ALL.len()],
    /// Database's clock minus this machine's, in milliseconds.
    clock_offset: AtomicI64,
    /// End of the client CA that expires first, in seconds since 1970.
    client_ca_expiry: AtomicI64,
}

impl Default for HostStatus {
    fn default() -> Self {
        let unknown = || AtomicI64::new(UNKNOWN);
        Self { counts: Default::default(), clock_offset: unknown(), client_ca_expiry: unknown() }
    }
}

impl HostStatus {
    /// Returns the number of present findings of each check.
    pub(crate) fn counts(&self) -> impl Iterator<Item = (&'static str, usize)> {
        HostCheck::ALL
            .iter()
            .zip(&self.counts)
            .map(|(check, count)| (check.name(), count.load(Ordering::Relaxed)))
    }

    /// Returns the database's clock minus this machine's, in milliseconds; `None` before the first answer.
    pub(crate) fn clock_offset(&self) -> Option<i64> {
        Some(self.clock_offset.load(Ordering::Relaxed)).filter(|offset| *offset != UNKNOWN)
    }

    /// Returns the end of the client CA that expires first, in seconds since 1970.
    pub(crate) fn client_ca_expiry(&self) -> Option<i64> {
        Some(self.client_ca_expiry.load(Ordering::Relaxed)).filter(|expiry| *expiry != UNKNOWN)
    }
}

/// Monitor that makes the checks periodically.
pub(crate) struct HostMonitor {
    secret_files: Vec<SecretFile>,
    tls: Option<TlsSettings>,
    /// Files of certificates of the connections that the process opens.
    connection_files: Vec<SettingFile>,
    embedded: Option<PathBuf>,
    pub(super) store: Arc<Store>,
    catalog: Arc<Catalog>,
    pub(super) clock: Arc<dyn Clock>,
    pub(crate) status: Arc<HostStatus>,
}

impl HostMonitor {
    /// Makes a monitor of what the settings name.
    pub(crate) fn new(
        settings: &Settings,
        store: Arc<Store>,
        catalog: Arc<Catalog>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            secret_files: settings.secret_files.clone(),
            tls: settings.tls.clone(),
            connection_files: connection_certificates::files(settings),
            embedded: settings.database.url.embedded().map(PathBuf::from),
            store,
            catalog,
            clock,
            status: Arc::default(),
        }
    }

    /// Makes the checks until the future is dropped. Those of files come first, before the database is reached.
    pub(crate) async fn run(&self, mut stage: watch::Receiver<Stage>) {
        let mut known = Vec::new();
        loop {
            let starting = matches!(*stage.borrow_and_update(), Stage::Starting(_));
            known = self.round(known, !starting).await;
            // The end of the start is the moment to look at the database.
            let changed = timeout(INTERVAL, stage.changed()).await;
            if matches!(changed, Ok(Err(_))) || (!starting && changed.is_ok()) {
                sleep(INTERVAL).await;
            }
        }
    }

    /// Makes all checks once and returns the present findings. A check whose result is not known keeps its findings.
    async fn round(&self, known: Vec<HostFinding>, database: bool) -> Vec<HostFinding> {
        let now = self.clock.now().wall;
        let mut found = examine_files(&self.secret_files, self.tls.as_ref(), &self.connection_files, now);
        found.extend(self.embedded.as_deref().and_then(disk::examine));
        let mut keep = |check: HostCheck, results: Option<Vec<HostFinding>>| match results {
            Some(results) => found.extend(results),
            None => found.extend(known.iter().filter(|other| other.check == check).cloned()),
        };
        let (offset, signing_keys, lookups) = if database {
            (self.check_clock().await, self.check_signing_keys().await, lookups::examine(&self.store).await)
        } else {
            (None, None, None)
        };
        keep(HostCheck::DatabaseClock, offset);
        keep(HostCheck::SigningKeys, signing_keys);
        keep(HostCheck::Lookups, lookups);
        let expiry = self.tls.as_ref().and_then(certificates::client_ca_expiry);
        self.status.client_ca_expiry.store(expiry.unwrap_or(UNKNOWN), Ordering::Relaxed);
        for (check, count) in HostCheck::ALL.iter().zip(&self.status.counts) {
            let present = found.iter().filter(|found| found.check == *check).count();
            count.store(present, Ordering::Relaxed);
        }
        log(&known, &found);
        found
    }

    /// Returns the finding about the database's clock. An embedded database has this machine's.
    async fn check_clock(&self) -> Option<Vec<HostFinding>> {
        if self.embedded.is_some() {
            return Some(Vec::new());
        }
        let offset = clock::clock_offset(&self.store, &*self.clock).await?;
        self.status.clock_offset.store(offset, Ordering::Relaxed);
        Some(clock::examine(offset, self.clock.now().wall).into_iter().collect())
    }

    /// Returns the findings about signing keys. Before the first profile is in force, there is nothing to compare.
    async fn check_signing_keys(&self) -> Option<Vec<HostFinding>> {
        let profiles = self.catalog.all();
        let issuing: Vec<_> = profiles.iter().filter(|profile| profile.policy.tokens.is_some()).collect();
        if issuing.is_empty() {
            return Some(Vec::new());
        }
        let keys = self.store.signing_keys().await.ok()?.keys;
        let now = self.clock.now().wall;
        let found =
            issuing.iter().filter_map(|profile| signing_keys::examine(&profile.policy.name, &keys, now));
        Some(found.collect())
    }
}

/// Logs findings that are new, and those that are over.
fn log(before: &[HostFinding], now: &[HostFinding]) {
    let is_in = |all: &[HostFinding], one: &HostFinding| {
        all.iter().any(|other| other.check == one.check && other.key == one.key)
    };
    for found in now.iter().filter(|found| !is_in(before, found)) {
        let (check, remedy, text) = (found.check.name(), &found.finding.remedy, text(found));
        if found.finding.severity == Severity::Error {
            tracing::error!(check, remedy, "{text}");
        } else {
            tracing::warn!(check, remedy, "{text}");
        }
    }
    for found in before.iter().filter(|found| !is_in(now, found)) {
        tracing::info!(check = found.check.name(), "no longer: {}", text(found));
    }
}

/// Returns the message with its subject, which `latchkey doctor` shows in a column of its own.
fn text(found: &HostFinding) -> String {
    let concerns_database = matches!(found.check, HostCheck::DatabaseClock | HostCheck::Lookups);
    let subject = if concerns_database { "the database: " } else { "" };
    format!("{subject}{}", found.finding.message)
}
