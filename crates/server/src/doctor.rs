//! Looks at what a process would be started with, and at the stores that it would use, and says what is wrong.
//! Nothing is changed, nothing is served, and no secret is shown.

mod database;
mod redis;

use latchkey_config::{ConfigError, ConfigSources, MasterKey, Settings};
use latchkey_transport::tls::{ClientAuthFiles, CrlStatus};

use crate::clock::unix_seconds;
use crate::config;

/// What a finding is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Area {
    /// What the operator decides.
    Settings,
    /// Where everything is kept.
    Database,
    /// Where replicas count together.
    Redis,
    /// The proxy in front.
    Envoy,
}

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// As it should be.
    Ok,
    /// It works, and may be meant; but it is likely not.
    Warning,
    /// It does not do what it is for.
    Error,
    /// It could not be looked at.
    Unreachable,
}

/// One thing that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What it is about.
    pub area: Area,
    /// How bad it is.
    pub severity: Severity,
    /// What it is.
    pub message: String,
    /// What to do; empty where nothing is to be done.
    pub remedy: String,
}

impl Finding {
    /// A finding.
    pub fn new(
        area: Area,
        severity: Severity,
        message: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self { area, severity, message: message.into(), remedy: remedy.into() }
    }
}

/// Looks at everything that the settings name.
pub async fn examine(sources: &ConfigSources) -> Vec<Finding> {
    let settings = match config::load(sources) {
        Ok(settings) => settings,
        Err(bad) => {
            let wrong = |problem: ConfigError| {
                let what = format!("{} ({})", problem.setting, problem.origin);
                Finding::new(Area::Settings, Severity::Error, what, problem.remedy)
            };
            return bad.0.into_iter().map(wrong).collect();
        }
    };
    let mut found = check_settings(&settings);
    found.extend(database::examine(&settings).await);
    found.extend(redis::examine(settings.redis.as_ref()).await);
    found
}

fn check_settings(settings: &Settings) -> Vec<Finding> {
    let warning = |what: &str, remedy: &str| Finding::new(Area::Settings, Severity::Warning, what, remedy);
    let mut found = Vec::new();
    let shared = settings.database.url.embedded().is_none();
    if settings.tls.is_none() && !settings.listen.grpc.ip().is_loopback() {
        found.push(warning(
            "gRPC is served in plain text to other machines: whoever sees the network sees credentials",
            "give tls_cert and tls_key",
        ));
    }
    if shared && settings.redis.is_none() && !settings.database.single_replica {
        found.push(warning(
            "there is no Redis: with N replicas, a client gets up to N times its limit",
            "give redis_url, or single_replica where there is one process",
        ));
    }
    if settings.database.single_replica && settings.redis.is_some() {
        found.push(warning("single_replica together with redis_url", "one process needs no Redis to count"));
    }
    if let Some(tls) = &settings.tls {
        let ports = [config::tls::grpc(tls), config::tls::management(tls)];
        let mut crls: Vec<_> = ports.into_iter().filter_map(|files| files.client_auth).collect();
        crls.dedup_by(|one, other| one.crl == other.crl);
        found.extend(crls.iter().filter_map(check_revocation_lists));
    }
    if let MasterKey::File(path) = &settings.master_key {
        if path.exists() {
            if let Err(error) = settings.master_key.reveal() {
                found.push(Finding::new(
                    Area::Settings,
                    Severity::Error,
                    error.to_string(),
                    "put the right one back",
                ));
            }
        } else {
            let what = format!("there is no master key yet: the first start makes {}", path.display());
            found.push(warning(&what, "keep it with the backups, and apart from the database's"));
        }
    }
    if found.is_empty() {
        found.push(Finding::new(Area::Settings, Severity::Ok, "they are in order", ""));
    }
    found
}

/// Revocation lists that have run out, or soon will.
fn check_revocation_lists(clients: &ClientAuthFiles) -> Option<Finding> {
    let (crl, validity, now) = (clients.crl.as_ref()?, clients.crl_validity()?, unix_seconds());
    let (severity, state) = match validity.status(now) {
        CrlStatus::Current => return None,
        CrlStatus::Due => {
            let hours = (validity.expires - now) / 3_600;
            (Severity::Warning, format!("a list in it runs out in {hours} h, and there is no new one yet"))
        }
        CrlStatus::Expired => {
            (Severity::Error, "a list in it has run out: nobody whom its CA signed gets in".to_owned())
        }
    };
    let what = format!("{} ({}): {state}", crl.setting, crl.path.display());
    Some(Finding::new(Area::Settings, severity, what, "put a new one in place: it is read without a restart"))
}
