//! Anchors of the audit log: now and then, where it has come to, written where whoever holds the database alone
//! can't follow: to a file that only grows, to this process's log, or both. What was cut off, or written anew
//! from the first line on, is found by them.
//!
//! The price: what was written since the last anchor (a second in the file, a minute in the log) can be cut off
//! unseen.

mod file;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use latchkey_config::AuditAnchorSettings;
use latchkey_management::ports::audit::{Anchor, AnchorStore, AuditLog, NoAnchors};
use tokio::time::sleep;

pub(crate) use file::AnchorFile;

/// How often the log's end is looked at.
const INTERVAL: Duration = Duration::from_secs(1);
/// Every so many looks, the process's own log is told.
const LOG_EVERY: u32 = 60;

/// Writes anchors.
pub(crate) struct AuditAnchorWriter {
    log: Arc<dyn AuditLog>,
    file: Option<Arc<AnchorFile>>,
    to_log: bool,
    last: Mutex<LastAnchors>,
}

/// What was written last.
#[derive(Clone, Copy, Default)]
struct LastAnchors {
    in_file: Option<Anchor>,
    in_log: Option<Anchor>,
    failing: bool,
}

impl AuditAnchorWriter {
    /// Gets ready to write; a file must be there, or it must be possible to make it.
    pub(crate) fn new(log: Arc<dyn AuditLog>, setting: &AuditAnchorSettings) -> std::io::Result<Self> {
        let file = setting.file.as_deref().map(AnchorFile::open).transpose()?.map(Arc::new);
        let in_file = file.as_ref().map(|file| file.last()).transpose()?.flatten();
        let last = Mutex::new(LastAnchors { in_file, ..LastAnchors::default() });
        Ok(Self { log, file, to_log: setting.log, last })
    }

    /// The anchors that a check compares with.
    pub(crate) fn store(&self) -> Arc<dyn AnchorStore> {
        match &self.file {
            Some(file) => Arc::clone(file) as _,
            None => Arc::new(NoAnchors),
        }
    }

    /// Writes until it is dropped.
    pub(crate) async fn run(&self) {
        if self.file.is_none() && !self.to_log {
            return std::future::pending().await;
        }
        for run in 0u32.. {
            self.write_if_advanced(run.is_multiple_of(LOG_EVERY)).await;
            sleep(INTERVAL).await;
        }
    }

    /// Looks once where the log has come to.
    pub(crate) async fn write_if_advanced(&self, log_it: bool) {
        // The change feed's follower says when the database is away.
        let Ok(head) = self.log.head().await else { return };
        let before = *self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let mut last = before;
        if let Some(file) = self.file.as_ref().filter(|_| before.in_file != Some(head) && head.sequence > 0) {
            report_contradiction(before.in_file, head);
            let written = file.append(head).await;
            match &written {
                Err(error) if !before.failing => {
                    tracing::error!(%error, "the audit log's anchor can't be written; it is tried again");
                }
                Err(_) | Ok(()) => {}
            }
            last.failing = written.is_err();
            last.in_file = if written.is_ok() { Some(head) } else { before.in_file };
        }
        if self.to_log && log_it && before.in_log != Some(head) && head.sequence > 0 {
            let hash = file::hex(&head.hash);
            tracing::info!(target: "latchkey::audit", sequence = head.sequence, hash, "the audit log's anchor");
            last.in_log = Some(head);
        }
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = last;
    }
}

/// A log that only grows doesn't end before its anchor, nor at another hash.
fn report_contradiction(kept: Option<Anchor>, head: Anchor) {
    let Some(kept) = kept else { return };
    if head.sequence <= kept.sequence {
        tracing::error!(
            target: "latchkey::audit",
            anchor_sequence = kept.sequence,
            head_sequence = head.sequence,
            "the audit log report_contradiction its anchor: `latchkey audit verify` tells where"
        );
    }
}

#[cfg(test)]
mod tests;
