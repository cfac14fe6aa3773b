//! Reads the TLS files again when they have changed, which is checked at an interval, or on SIGHUP.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::time::sleep;

use super::acceptor::Acceptor;
use super::crl::CrlStatus;
use super::error::TlsFileError;
use super::files::{SettingFile, TlsFiles};

/// Interval between two checks. A certificate is usually renewed weeks before it expires.
const CHECK_INTERVAL: Duration = Duration::from_secs(2);

/// Inode, modification time (seconds and nanoseconds) and size of a file; `None` if it cannot be read. Links are followed.
type FileStamp = Option<(u64, i64, i64, u64)>;

fn file_stamp(path: &Path) -> FileStamp {
    let data = fs::metadata(path).ok()?;
    Some((data.ino(), data.mtime(), data.mtime_nsec(), data.len()))
}

/// Stamps of the certificate, its key, the clients' CA and the revocation lists.
pub(super) type FileStamps = [FileStamp; 4];

pub(super) fn file_stamps(TlsFiles { cert, key, client_auth }: &TlsFiles) -> FileStamps {
    let ca = client_auth.as_ref().and_then(|clients| file_stamp(&clients.ca.path));
    let crl = client_auth.as_ref().and_then(|clients| file_stamp(&clients.crl.as_ref()?.path));
    [file_stamp(&cert.path), file_stamp(&key.path), ca, crl]
}

/// Returns an error for each file whose reading could wait for another process, such as a named pipe. A worker that waits
/// so makes no progress with its connections, and the shutdown waits for it.
pub(super) fn blocking_files(TlsFiles { cert, key, client_auth }: &TlsFiles) -> Vec<TlsFileError> {
    let clients = client_auth.iter().flat_map(|clients| [Some(&clients.ca), clients.crl.as_ref()]).flatten();
    let blocks =
        |file: &&SettingFile| fs::metadata(&file.path).is_ok_and(|found| !found.is_file() && !found.is_dir());
    let remedy =
        "it is a pipe, a socket or a device, whose reading may not end: replace it by a regular file";
    [cert, key].into_iter().chain(clients).filter(blocks).map(|file| file.error(remedy)).collect()
}

impl Acceptor {
    /// Reads the files again whenever they change, until the future is dropped.
    pub async fn watch_files(&self) {
        let (mut seen, mut status) = (self.initial_stamps, CrlStatus::Current);
        let mut hup = signal(SignalKind::hangup()).ok();
        loop {
            status = self.log_crl_status(status);
            let signalled = tokio::select! {
                () = sleep(CHECK_INTERVAL) => false,
                () = async { match &mut hup { Some(hup) => { hup.recv().await; } None => std::future::pending().await } } => true,
            };
            // The stamps are taken before the files are read, so that a change in between is found by the next check.
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
            Ok(closed) if self.has_expired() => tracing::warn!(
                %cert, closed,
                "TLS files were read again, and the certificate has expired: clients reject new connections until it is replaced"
            ),
            Ok(closed) => {
                tracing::info!(%cert, closed, "TLS files were read again; new connections use them");
            }
            Err(problems) => {
                for problem in problems {
                    tracing::error!(%problem, "the changed TLS files cannot be used; the previous ones stay in force");
                }
            }
        }
    }

    fn has_expired(&self) -> bool {
        self.certificate_expiry().is_some_and(|expiry| expiry <= self.unix_seconds())
    }

    /// Logs once when new revocation lists are due, and once when the lists have expired.
    fn log_crl_status(&self, before: CrlStatus) -> CrlStatus {
        let (Some(validity), Some(clients)) = (self.crl_validity(), &self.files.client_auth) else {
            return CrlStatus::Current;
        };
        let crl = clients.crl.as_ref().map(|crl| crl.path.display().to_string()).unwrap_or_default();
        let now = self.unix_seconds();
        let (status, remaining) = (validity.status(now), validity.expires - now);
        match status {
            CrlStatus::Due if status != before => tracing::warn!(
                crl,
                seconds_left = remaining,
                "a revocation list expires soon: replace it, or all clients of its CA will be rejected"
            ),
            CrlStatus::Expired if status != before => tracing::error!(
                crl,
                "a revocation list has expired: all clients of its CA are rejected until it is replaced"
            ),
            CrlStatus::Current | CrlStatus::Due | CrlStatus::Expired => {}
        }
        status
    }
}
