//! Looks whether the files have changed, now and then and whenever SIGHUP says so.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::time::sleep;

use super::acceptor::Acceptor;
use super::crl::CrlStatus;
use super::files::TlsFiles;

/// Between two looks. A pair is most likely renewed weeks before the old one ends.
const CHECK_INTERVAL: Duration = Duration::from_secs(2);

/// What tells one state of a file from another; a link is followed to what it means now.
type FileStamp = Option<(u64, i64, i64, u64)>;

fn file_stamp(path: &Path) -> FileStamp {
    let data = fs::metadata(path).ok()?;
    Some((data.ino(), data.mtime(), data.mtime_nsec(), data.len()))
}

/// Of the certificate, its key, the clients' CA and its revocation lists.
pub(super) type FileStamps = [FileStamp; 4];

pub(super) fn file_stamps(TlsFiles { cert, key, client_auth }: &TlsFiles) -> FileStamps {
    let ca = client_auth.as_ref().and_then(|clients| file_stamp(&clients.ca.path));
    let crl = client_auth.as_ref().and_then(|clients| file_stamp(&clients.crl.as_ref()?.path));
    [file_stamp(&cert.path), file_stamp(&key.path), ca, crl]
}

impl Acceptor {
    /// Keeps up with the files until it is dropped.
    pub async fn watch_files(&self) {
        let (mut seen, mut status) = (self.initial_stamps, CrlStatus::Current);
        let mut hup = signal(SignalKind::hangup()).ok();
        loop {
            status = self.log_crl_status(status);
            let signalled = tokio::select! {
                () = sleep(CHECK_INTERVAL) => false,
                () = async { match &mut hup { Some(hup) => { hup.recv().await; } None => std::future::pending().await } } => true,
            };
            // Before they are read: what changes while they are read is seen at the next look.
            let now = file_stamps(&self.files);
            if signalled || now != seen {
                seen = now;
                self.reload_and_log().await;
            }
        }
    }

    async fn reload_and_log(&self) {
        let cert = self.files.cert.path.display().to_string();
        match self.reload().await {
            Ok(closed) => {
                tracing::info!(%cert, closed, "the certificate was read again: new connections get it");
            }
            Err(problems) => {
                for problem in problems {
                    tracing::error!(%problem, "the changed certificate can't be used: the one before is kept");
                }
            }
        }
    }

    /// Tells once when the revocation lists grow old, and once when they have run out.
    fn log_crl_status(&self, before: CrlStatus) -> CrlStatus {
        let (Some(validity), Some(clients)) = (self.crl_validity(), &self.files.client_auth) else {
            return CrlStatus::Current;
        };
        let crl = clients.crl.as_ref().map(|crl| crl.path.display().to_string()).unwrap_or_default();
        let now = self.unix_seconds();
        let (status, left) = (validity.status(now), validity.expires - now);
        match status {
            CrlStatus::Due if status != before => tracing::warn!(
                crl,
                seconds_left = left,
                "a revocation list runs out soon: put a new one in place, or nobody whom its CA signed gets in"
            ),
            CrlStatus::Expired if status != before => tracing::error!(
                crl,
                "a revocation list has run out: nobody whom its CA signed gets in until a new one is in place"
            ),
            CrlStatus::Current | CrlStatus::Due | CrlStatus::Expired => {}
        }
        status
    }
}
