//! Looks at what a process would be started with, and at the stores that it would use, and says what is wrong.
//! Nothing is changed, nothing is served, and no secret is shown.

mod database;
mod redis;

use latchkey_config::{MasterKey, Problem, Settings, Sources};
use latchkey_transport::tls::{Age, Clients};

use crate::clock::seconds_now;
use crate::settings;

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
pub enum Weight {
    /// As it should be.
    Good,
    /// It works, and may be meant; but it is likely not.
    Doubtful,
    /// It does not do what it is for.
    Wrong,
    /// It could not be looked at.
    Unreachable,
}

/// One thing that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What it is about.
    pub area: Area,
    /// How bad it is.
    pub weight: Weight,
    /// What it is.
    pub what: String,
    /// What to do; empty where nothing is to be done.
    pub remedy: String,
}

impl Finding {
    /// A finding.
    pub fn new(area: Area, weight: Weight, what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { area, weight, what: what.into(), remedy: remedy.into() }
    }
}

/// Looks at everything that the settings name.
pub async fn examine(sources: &Sources) -> Vec<Finding> {
    let settings = match settings::load(sources) {
        Ok(settings) => settings,
        Err(bad) => {
            let wrong = |problem: Problem| {
                let what = format!("{} ({})", problem.setting, problem.place);
                Finding::new(Area::Settings, Weight::Wrong, what, problem.remedy)
            };
            return bad.0.into_iter().map(wrong).collect();
        }
    };
    let mut found = decided(&settings);
    found.extend(database::examine(&settings).await);
    found.extend(redis::examine(settings.redis.as_ref()).await);
    found
}

fn decided(settings: &Settings) -> Vec<Finding> {
    let doubtful = |what: &str, remedy: &str| Finding::new(Area::Settings, Weight::Doubtful, what, remedy);
    let mut found = Vec::new();
    let shared = settings.database.url.embedded().is_none();
    if settings.tls.is_none() && !settings.listen.grpc.ip().is_loopback() {
        found.push(doubtful(
            "gRPC is served in plain text to other machines: whoever sees the network sees credentials",
            "give tls_cert and tls_key",
        ));
    }
    if shared && settings.redis.is_none() && !settings.database.single_replica {
        found.push(doubtful(
            "there is no Redis: with N replicas, a client gets up to N times its limit",
            "give redis_url, or single_replica where there is one process",
        ));
    }
    if settings.database.single_replica && settings.redis.is_some() {
        found.push(doubtful("single_replica together with redis_url", "one process needs no Redis to count"));
    }
    if let Some(tls) = &settings.tls {
        let ports = [settings::tls::grpc(tls), settings::tls::management(tls)];
        let mut lists: Vec<_> = ports.into_iter().filter_map(|files| files.clients).collect();
        lists.dedup_by(|one, other| one.crl == other.crl);
        found.extend(lists.iter().filter_map(revocation));
    }
    if let MasterKey::InFile(path) = &settings.master_key {
        if path.exists() {
            if let Err(error) = settings.master_key.reveal() {
                found.push(Finding::new(
                    Area::Settings,
                    Weight::Wrong,
                    error.to_string(),
                    "put the right one back",
                ));
            }
        } else {
            let what = format!("there is no master key yet: the first start makes {}", path.display());
            found.push(doubtful(&what, "keep it with the backups, and apart from the database's"));
        }
    }
    if found.is_empty() {
        found.push(Finding::new(Area::Settings, Weight::Good, "they are in order", ""));
    }
    found
}

/// Revocation lists that have run out, or soon will.
fn revocation(clients: &Clients) -> Option<Finding> {
    let (crl, term, now) = (clients.crl.as_ref()?, clients.term()?, seconds_now());
    let (weight, state) = match term.age(now) {
        Age::Fresh => return None,
        Age::Due => {
            let hours = (term.ends - now) / 3_600;
            (Weight::Doubtful, format!("a list in it runs out in {hours} h, and there is no new one yet"))
        }
        Age::Over => {
            (Weight::Wrong, "a list in it has run out: nobody whom its CA signed gets in".to_owned())
        }
    };
    let what = format!("{} ({}): {state}", crl.setting, crl.path.display());
    Some(Finding::new(Area::Settings, weight, what, "put a new one in place: it is read without a restart"))
}
