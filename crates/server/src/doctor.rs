//! Diagnosis: checks the settings that a process would be started with, and the database and Redis that it would use.
//! Changes nothing, serves nothing and shows no secrets.

mod addresses;
mod check_port;
mod database;
mod folders;
pub(crate) mod redis;
mod unix_sockets;

use std::time::Duration;

pub use check_port::CheckPort;
use latchkey_config::{CheckAuth, ConfigError, ConfigSources, MasterKey, Settings};
use latchkey_core::time::Clock as _;
use latchkey_transport::tls::{ClientAuthFiles, CrlStatus};

use crate::clock::{SystemClock, unix_seconds};
use crate::open_files::TooFewFiles;
use crate::{config, host_checks, open_files, profile_files, unused_input};

/// Subject of a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Area {
    /// Settings of the operator.
    Settings,
    /// Database.
    Database,
    /// Redis, which holds the shared rate limits.
    Redis,
    /// Proxy in front of the services.
    Envoy,
}

/// Severity of a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// No problem.
    Ok,
    /// A working configuration that is probably not intended.
    Warning,
    /// A problem that must be fixed.
    Error,
    /// A check that could not be made.
    Unreachable,
}

/// Result of a check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Subject.
    pub area: Area,
    /// Severity.
    pub severity: Severity,
    /// Description.
    pub message: String,
    /// Recommended action; empty if there is none.
    pub remedy: String,
}

impl Finding {
    /// Makes a finding.
    pub fn new(
        area: Area,
        severity: Severity,
        message: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self { area, severity, message: message.into(), remedy: remedy.into() }
    }
}

/// Checks everything that the settings name.
pub async fn examine(sources: &ConfigSources) -> Vec<Finding> {
    let settings = match config::load(sources) {
        Ok(settings) => settings,
        Err(errors) => {
            let finding = |problem: ConfigError| {
                let what = format!("{} ({})", problem.setting, problem.origin);
                Finding::new(Area::Settings, Severity::Error, what, problem.remedy)
            };
            return errors.0.into_iter().map(finding).collect();
        }
    };
    let mut found = check_settings(&settings);
    found.extend(database::examine(&settings).await);
    found.extend(redis::examine(settings.redis.as_ref(), settings.database.deadlines.check.redis).await);
    found
}

/// Returns the maximum duration of a Check by the settings; the default if the deadlines are invalid, which [`examine`]
/// reports.
#[must_use]
pub fn check_deadline(sources: &ConfigSources) -> Duration {
    Settings::load_check_deadlines(sources).unwrap_or_default().total
}

fn warning(what: &str, remedy: &str) -> Finding {
    Finding::new(Area::Settings, Severity::Warning, what, remedy)
}

/// Checks what clients of the ports could do, and whether enough connections can be open.
fn check_ports(settings: &Settings) -> Vec<Finding> {
    let mut found = check_plain_text(settings);
    let anonymous = settings.check_auth == CheckAuth::None
        && settings.tls.as_ref().is_none_or(|tls| tls.client_ca.is_none());
    if anonymous && !settings.listen.grpc.is_local() {
        found.push(warning(
            "everyone who reaches the gRPC port may call Check, and names the client's address in it: an \
             attacker can try out keys and use up the limits of any address",
            "set check_auth to \"key\" with check_keys (or to \"certificate\" with tls_client_ca), or let a network \
             policy admit the proxies alone",
        ));
    }
    found.extend(unix_sockets::examine(&settings.listen));
    found.extend(addresses::examine(&settings.listen));
    if let Some(TooFewFiles { limit, needed }) = open_files::shortage(settings) {
        found.push(warning(
            &format!("at most {limit} files may be open, and max_connections needs {needed}"),
            "raise the limit (ulimit -n, LimitNOFILE), or lower max_connections",
        ));
    }
    found
}

/// Warns of each port that other machines can reach in plain text. Without `insecure`, the settings refuse it.
fn check_plain_text(settings: &Settings) -> Vec<Finding> {
    let listen = &settings.listen;
    let tls = settings.tls.is_some();
    let http_tls = settings.tls.as_ref().is_some_and(|tls| tls.http);
    let pair = "give tls_cert and tls_key";
    let ports = [
        ("grpc_addr", Some(&listen.grpc), tls, "credentials", pair),
        ("management_addr", listen.management.as_ref(), tls, "operators' keys", pair),
        (
            "http_addr",
            Some(&listen.http),
            http_tls,
            "keys and tokens of products' endpoints",
            "give http_tls with tls_cert and tls_key",
        ),
    ];
    let mut found = Vec::new();
    for (setting, address, tls, secrets, remedy) in ports {
        if !tls && address.is_some_and(|address| !address.is_local()) {
            let what = format!(
                "{setting} is served in plain text to other machines: {secrets} can be read on the network"
            );
            found.push(warning(&what, remedy));
        }
    }
    found
}

/// Reports each error in the documents that `profiles` names. A start with one of them fails.
fn check_profiles(settings: &Settings) -> Vec<Finding> {
    let Err(error) = profile_files::read(&settings.profiles) else { return Vec::new() };
    let text = error.to_string();
    // The first part is a heading.
    let errors = text.split("\n  ").skip(1);
    let remedy = "correct the file, or remove it from profiles: a start fails with this error";
    errors
        .map(|error| Finding::new(Area::Settings, Severity::Error, format!("profiles: {error}"), remedy))
        .collect()
}

fn check_settings(settings: &Settings) -> Vec<Finding> {
    let mut found = check_ports(settings);
    found.extend(check_profiles(settings));
    found.extend(unused_input::find(settings).iter().map(|(what, remedy)| warning(what, remedy)));
    let shared = settings.database.url.embedded().is_none();
    if shared && settings.redis.is_none() && !settings.database.single_replica {
        found.push(warning(
            "Redis is not configured: with N replicas, a client gets up to N times its limit",
            "give redis_url, or single_replica if there is only one process",
        ));
    }
    if settings.database.single_replica && settings.redis.is_some() {
        found.push(warning(
            "single_replica is set together with redis_url",
            "remove one of them: a single process needs no Redis",
        ));
    }
    if let Some(tls) = &settings.tls {
        let ports = [config::tls::grpc(tls), config::tls::management(tls)];
        let mut crls: Vec<_> = ports.into_iter().filter_map(|files| files.client_auth).collect();
        crls.dedup_by(|left, right| left.crl == right.crl);
        found.extend(crls.iter().filter_map(check_revocation_lists));
    }
    if let MasterKey::File(path) = &settings.master_key {
        if settings.master_key.exists() {
            if let Err(error) = settings.master_key.reveal() {
                found.push(Finding::new(
                    Area::Settings,
                    Severity::Error,
                    error.to_string(),
                    "restore the correct file",
                ));
            }
        } else {
            let what = format!("there is no master key yet: the first start creates {}", path.display());
            found.push(warning(&what, "back it up, separately from the database"));
        }
    }
    found.extend(folders::examine(settings));
    found.extend(host_checks::examine_settings(settings, SystemClock.now().wall));
    if found.is_empty() {
        found.push(Finding::new(Area::Settings, Severity::Ok, "the settings are valid", ""));
    }
    found
}

/// Reports revocation lists that have expired or will expire soon.
fn check_revocation_lists(clients: &ClientAuthFiles) -> Option<Finding> {
    let (crl, validity, now) = (clients.crl.as_ref()?, clients.crl_validity()?, unix_seconds());
    let (severity, state) = match validity.status(now) {
        CrlStatus::Current => return None,
        CrlStatus::Due => {
            let hours = (validity.expires - now) / 3_600;
            (
                Severity::Warning,
                format!("a revocation list in it expires in {hours} h, and there is no newer one"),
            )
        }
        CrlStatus::Expired => (
            Severity::Error,
            "a revocation list in it has expired: all clients of its CA are rejected".to_owned(),
        ),
    };
    let what = format!("{} ({}): {state}", crl.setting, crl.path.display());
    Some(Finding::new(Area::Settings, severity, what, "replace the file: it is reloaded without a restart"))
}
