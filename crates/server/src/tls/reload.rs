//! Looks whether the files have changed, now and then and whenever SIGHUP says so.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::time::sleep;

use super::accept::Acceptor;
use super::files::Files;

/// Between two looks. A pair is most likely renewed weeks before the old one ends.
const PAUSE: Duration = Duration::from_secs(2);

/// What tells one state of a file from another; a link is followed to what it means now.
type Stamp = Option<(u64, i64, i64, u64)>;

fn stamp(path: &Path) -> Stamp {
    let data = fs::metadata(path).ok()?;
    Some((data.ino(), data.mtime(), data.mtime_nsec(), data.len()))
}

/// Of the certificate, its key and the clients' CA.
pub(super) type Stamps = [Stamp; 3];

pub(super) fn stamps(files: &Files) -> Stamps {
    [stamp(&files.cert), stamp(&files.key), files.client_ca.as_deref().and_then(stamp)]
}

impl Acceptor {
    /// Keeps up with the files until it is dropped.
    pub(crate) async fn keep(&self) {
        let mut seen = self.first;
        let mut hup = signal(SignalKind::hangup()).ok();
        loop {
            let told = tokio::select! {
                () = sleep(PAUSE) => false,
                () = async { match &mut hup { Some(hup) => { hup.recv().await; } None => std::future::pending().await } } => true,
            };
            // Before they are read: what changes while they are read is seen at the next look.
            let now = stamps(&self.files);
            if told || now != seen {
                seen = now;
                self.renew();
            }
        }
    }

    fn renew(&self) {
        let cert = self.files.cert.display().to_string();
        match self.reload() {
            Ok(()) => tracing::info!(%cert, "the certificate was read again: new connections get it"),
            Err(problems) => {
                for problem in problems {
                    tracing::error!(%problem, "the changed certificate can't be used: the one before is kept");
                }
            }
        }
    }
}
