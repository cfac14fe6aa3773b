//! Looks whether the files have changed, now and then and whenever SIGHUP says so.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::time::sleep;

use super::accept::Acceptor;
use super::files::Files;
use super::lists::Age;

/// Between two looks. A pair is most likely renewed weeks before the old one ends.
const PAUSE: Duration = Duration::from_secs(2);

/// What tells one state of a file from another; a link is followed to what it means now.
type Stamp = Option<(u64, i64, i64, u64)>;

fn stamp(path: &Path) -> Stamp {
    let data = fs::metadata(path).ok()?;
    Some((data.ino(), data.mtime(), data.mtime_nsec(), data.len()))
}

/// Of the certificate, its key, the clients' CA and its revocation lists.
pub(super) type Stamps = [Stamp; 4];

pub(super) fn stamps(Files { cert, key, clients }: &Files) -> Stamps {
    let ca = clients.as_ref().and_then(|clients| stamp(&clients.ca.path));
    let crl = clients.as_ref().and_then(|clients| stamp(&clients.crl.as_ref()?.path));
    [stamp(&cert.path), stamp(&key.path), ca, crl]
}

impl Acceptor {
    /// Keeps up with the files until it is dropped.
    pub async fn keep(&self) {
        let (mut seen, mut age) = (self.first, Age::Fresh);
        let mut hup = signal(SignalKind::hangup()).ok();
        loop {
            age = self.tell_of_age(age);
            let told = tokio::select! {
                () = sleep(PAUSE) => false,
                () = async { match &mut hup { Some(hup) => { hup.recv().await; } None => std::future::pending().await } } => true,
            };
            // Before they are read: what changes while they are read is seen at the next look.
            let now = stamps(&self.files);
            if told || now != seen {
                seen = now;
                self.renew().await;
            }
        }
    }

    async fn renew(&self) {
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
    fn tell_of_age(&self, before: Age) -> Age {
        let (Some(term), Some(clients)) = (self.term(), &self.files.clients) else { return Age::Fresh };
        let crl = clients.crl.as_ref().map(|crl| crl.path.display().to_string()).unwrap_or_default();
        let now = self.seconds_now();
        let (age, left) = (term.age(now), term.ends - now);
        match age {
            Age::Due if age != before => tracing::warn!(
                crl,
                seconds_left = left,
                "a revocation list runs out soon: put a new one in place, or nobody whom its CA signed gets in"
            ),
            Age::Over if age != before => tracing::error!(
                crl,
                "a revocation list has run out: nobody whom its CA signed gets in until a new one is in place"
            ),
            Age::Fresh | Age::Due | Age::Over => {}
        }
        age
    }
}
