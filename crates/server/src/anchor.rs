//! Anchors of the audit log: the head of the log, written at intervals to a file that only grows, to the process's
//! log, or both, out of reach of anyone who can write to the database only. They show if the log was truncated or
//! rewritten.
//!
//! Limit: entries that were written after the last anchor (one second for the file, one minute for the log) can be
//! removed unnoticed.

mod file;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use latchkey_config::AuditAnchorSettings;
use latchkey_management::ports::audit::{Anchor, AnchorStore, AuditLog, NoAnchors};
use tokio::time::sleep;

pub(crate) use file::AnchorFile;

/// Interval at which the head of the log is read.
const INTERVAL: Duration = Duration::from_secs(1);
/// Number of intervals between two anchors in the process's log.
const LOG_EVERY: u32 = 60;

/// Writes anchors of the audit log.
pub(crate) struct AuditAnchorWriter {
    log: Arc<dyn AuditLog>,
    file: Option<Arc<AnchorFile>>,
    to_log: bool,
    last: Mutex<LastAnchors>,
}

/// Last anchors that were written.
#[derive(Clone, Copy, Default)]
struct LastAnchors {
    in_file: Option<Anchor>,
    in_log: Option<Anchor>,
    failing: bool,
}

impl AuditAnchorWriter {
    /// Opens the anchor file, if there is one. Returns an error if it can be neither opened nor created.
    pub(crate) fn new(log: Arc<dyn AuditLog>, setting: &AuditAnchorSettings) -> std::io::Result<Self> {
        let file = setting.file.as_deref().map(AnchorFile::open).transpose()?.map(Arc::new);
        let in_file = file.as_ref().map(|file| file.last()).transpose()?.flatten();
        let last = Mutex::new(LastAnchors { in_file, ..LastAnchors::default() });
        Ok(Self { log, file, to_log: setting.log, last })
    }

    /// Returns the anchors that a verification compares with.
    pub(crate) fn store(&self) -> Arc<dyn AnchorStore> {
        match &self.file {
            Some(file) => Arc::clone(file) as _,
            None => Arc::new(NoAnchors),
        }
    }

    /// Writes anchors until the future is dropped.
    pub(crate) async fn run(&self) {
        if self.file.is_none() && !self.to_log {
            return std::future::pending().await;
        }
        for run in 0u32.. {
            self.write_if_advanced(run.is_multiple_of(LOG_EVERY)).await;
            sleep(INTERVAL).await;
        }
    }

    /// Reads the head once and writes an anchor if the log has grown.
    pub(crate) async fn write_if_advanced(&self, log_it: bool) {
        // The change feed's follower logs that the database is unavailable. A head that was altered is no anchor;
        // writes are then refused with an error that names the cause.
        let Ok(Some(head)) = self.log.head().await else { return };
        let before = *self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let mut last = before;
        if let Some(file) = self.file.as_ref().filter(|_| before.in_file != Some(head) && head.sequence > 0) {
            report_contradiction(before.in_file, head);
            let written = file.append(head).await;
            match &written {
                Err(error) if !before.failing => {
                    tracing::error!(%error, "failed to write an anchor of the audit log; the write is retried every second");
                }
                Err(_) | Ok(()) => {}
            }
            last.failing = written.is_err();
            last.in_file = if written.is_ok() { Some(head) } else { before.in_file };
        }
        if self.to_log && log_it && before.in_log != Some(head) && head.sequence > 0 {
            let hash = file::hex(&head.hash);
            tracing::info!(target: "latchkey::audit", sequence = head.sequence, hash, "anchor of the audit log");
            last.in_log = Some(head);
        }
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = last;
    }
}

/// Logs an error if the log contradicts its last anchor: a log that only grows cannot end before the anchor, nor at
/// the same event with another hash.
fn report_contradiction(kept: Option<Anchor>, head: Anchor) {
    let Some(kept) = kept else { return };
    if head.sequence <= kept.sequence {
        tracing::error!(
            target: "latchkey::audit",
            anchor_sequence = kept.sequence,
            head_sequence = head.sequence,
            "the audit log contradicts its last anchor: run `latchkey audit verify` to find the event"
        );
    }
}

#[cfg(test)]
mod tests;
