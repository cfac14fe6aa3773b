//! Checks that find a problem without a request: files with secrets, certificates, the database's clock, free disk
//! space, the schedule of signing keys, and look-ups of keys. `latchkey doctor` makes them once. A serving process
//! makes them at its start and every minute; it logs each finding once and counts the present ones in a metric.

mod certificates;
mod clock;
mod connection_certificates;
mod disk;
mod lookup_watch;
mod lookups;
mod monitor;
mod secret_files;
mod signing_keys;

pub(crate) use clock::skew_finding;
pub(crate) use monitor::{HostMonitor, HostStatus};

use latchkey_config::{SecretFile, Settings, TlsSettings};
use latchkey_core::time::Timestamp;
use latchkey_core::token::SigningKeyRecord;
use latchkey_transport::tls::SettingFile;

use crate::doctor::{Area, Finding, Severity};

/// Subject of a check, in the order of the metric's values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HostCheck {
    SecretFiles,
    Certificates,
    DatabaseClock,
    Disk,
    SigningKeys,
    Lookups,
}

impl HostCheck {
    /// All checks.
    pub(crate) const ALL: [Self; 6] = [
        Self::SecretFiles,
        Self::Certificates,
        Self::DatabaseClock,
        Self::Disk,
        Self::SigningKeys,
        Self::Lookups,
    ];

    /// Returns the value of the metric's label.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::SecretFiles => "secret_files",
            Self::Certificates => "certificates",
            Self::DatabaseClock => "database_clock",
            Self::Disk => "disk",
            Self::SigningKeys => "signing_keys",
            Self::Lookups => "lookups",
        }
    }
}

/// Finding with an identity that stays while the text changes, such as the days that are left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct HostFinding {
    pub(crate) check: HostCheck,
    /// Identity within the check.
    pub(crate) key: String,
    pub(crate) finding: Finding,
}

impl HostFinding {
    fn new(check: HostCheck, key: impl Into<String>, finding: Finding) -> Self {
        Self { check, key: key.into(), finding }
    }
}

/// Returns the findings about files and certificates that the settings name, and about the disk of an embedded database.
pub(crate) fn examine_settings(settings: &Settings, now: Timestamp) -> Vec<Finding> {
    let connections = connection_certificates::files(settings);
    let mut found = examine_files(&settings.secret_files, settings.tls.as_ref(), &connections, now);
    found.extend(settings.database.url.embedded().and_then(disk::examine));
    found.into_iter().map(|found| found.finding).collect()
}

fn examine_files(
    secrets: &[SecretFile],
    tls: Option<&TlsSettings>,
    connections: &[SettingFile],
    now: Timestamp,
) -> Vec<HostFinding> {
    let mut found: Vec<_> = secrets.iter().filter_map(secret_files::examine).collect();
    found.extend(tls.into_iter().flat_map(|tls| certificates::examine(tls, now)));
    found.extend(connection_certificates::examine(connections, now));
    found
}

/// Returns the findings about the schedule of the signing keys of a profile that issues tokens.
pub(crate) fn examine_signing_keys(
    profile: &str,
    keys: &[SigningKeyRecord],
    now: Timestamp,
) -> Option<Finding> {
    signing_keys::examine(profile, keys, now).map(|found| found.finding)
}

fn finding(area: Area, severity: Severity, what: String, remedy: impl Into<String>) -> Finding {
    Finding::new(area, severity, what, remedy)
}

/// Returns a duration in whole days, hours, minutes or seconds, whichever is the largest that has one.
fn span(seconds: i64) -> String {
    match seconds {
        86_400.. => format!("{} d", seconds / 86_400),
        3_600.. => format!("{} h", seconds / 3_600),
        60.. => format!("{} min", seconds / 60),
        _ => format!("{seconds} s"),
    }
}
