//! Checks of Redis: its response time, its role, and its eviction policy.

#[cfg(test)]
mod tests;

use std::time::Duration;

use latchkey_config::Redis;
use latchkey_redis::{Node, Probe, Refusal, Unreachable, probe};

use super::{Area, Finding, Severity};
use crate::config;

/// Difference of clocks in seconds from which on it is reported.
const FAR: u64 = 5;
/// Words about the server's certificate, those of a server about the client's, and those about a server without TLS.
const TLS_FAILURES: [&str; 3] = ["invalid peer certificate", "received fatal alert", "responds without TLS"];

/// Checks Redis, if it is given; `deadline` is the time that a call waits for it before it counts locally.
pub(crate) async fn examine(given: Option<&Redis>, deadline: Duration) -> Vec<Finding> {
    let Some(given) = given else { return Vec::new() };
    let probed = match config::redis(given) {
        Ok(address) => probe(&address).await.map(|nodes| (nodes, address.is_cluster())),
        Err(error) => Err(error),
    };
    match probed {
        Ok((nodes, in_cluster)) => {
            nodes.iter().flat_map(|node| node_findings(node, in_cluster, deadline)).collect()
        }
        Err(error) => vec![Finding::new(
            Area::Settings,
            Severity::Error,
            format!("redis_url: {error}"),
            "docs/redis.md shows the forms",
        )],
    }
}

fn node_findings(node: &Node, in_cluster: bool, deadline: Duration) -> Vec<Finding> {
    match &node.seen {
        Ok(probe) => probe_findings(probe, in_cluster, deadline)
            .into_iter()
            .map(|finding| Finding { message: format!("{}: {}", node.name, finding.message), ..finding })
            .collect(),
        Err(error) if node.sentinel => vec![Finding::new(
            Area::Redis,
            Severity::Warning,
            format!("the Sentinel {} does not name the primary: {error}", node.name),
            "start it, or correct its address, the primary's name, or its credentials (sentinel_password in redis_url)",
        )],
        Err(error) => vec![unusable_finding(&node.name, node.refusal, error)],
    }
}

/// Reports a server whose state could not be read: an error if it responded, and refused.
fn unusable_finding(name: &str, refusal: Option<Refusal>, error: &Unreachable) -> Finding {
    let (severity, verb, remedy) = match refusal {
        Some(Refusal::Credentials) => (
            Severity::Error,
            "refuses the password",
            "correct the user and the password in redis_url; until then each replica counts limits by itself",
        ),
        Some(Refusal::Other) => (
            Severity::Error,
            "refuses",
            "correct this cause (docs/redis.md lists causes); until then each replica counts limits by itself",
        ),
        None if TLS_FAILURES.iter().any(|words| error.0.contains(words)) => (
            Severity::Error,
            "can't be used by TLS",
            "correct redis_ca, the host or the scheme in redis_url or the certificate, or set tls-auth-clients no (docs/redis.md)",
        ),
        None => (
            Severity::Unreachable,
            "does not respond",
            "start it, or correct its address or network; until then each replica counts limits by itself",
        ),
    };
    Finding::new(Area::Redis, severity, format!("{name} {verb}: {error}"), remedy)
}

fn probe_findings(probe: &Probe, in_cluster: bool, deadline: Duration) -> Vec<Finding> {
    let mut found = eviction_findings(probe);
    found.extend(trial_findings(probe));
    found.extend(latency_finding(probe.latency, deadline));
    let mut report =
        |severity, what: String, remedy: &str| found.push(Finding::new(Area::Redis, severity, what, remedy));
    match (&probe.cluster, in_cluster) {
        (Some(state), true) if !["", "ok"].contains(&state.as_str()) => report(
            Severity::Error,
            format!("the cluster is incomplete (cluster_state:{state}): replicas count limits by themselves"),
            "check CLUSTER NODES and CLUSTER SLOTS, and assign a primary to every slot",
        ),
        (Some(_), true) if probe.missing_slots > 0 => report(
            Severity::Error,
            format!(
                "no node of the cluster serves {} of its slots: replicas count the limits in them by themselves",
                probe.missing_slots
            ),
            "check CLUSTER NODES and CLUSTER SLOTS, and assign a primary to every slot",
        ),
        (Some(_), false) => report(
            Severity::Error,
            "it is a node of a cluster, and holds only a part of the limits".to_owned(),
            "write redis+cluster:// or rediss+cluster:// in redis_url",
        ),
        (None, true) if probe.unreadable.is_none() => report(
            Severity::Error,
            "it is not a node of a cluster".to_owned(),
            "write redis:// or rediss:// in redis_url",
        ),
        _ => {}
    }
    // A replica of a cluster redirects to its primary.
    if !in_cluster && (probe.role == "slave" || probe.role == "replica") {
        report(
            Severity::Error,
            "it is a replica, and does not accept writes".to_owned(),
            "name the primary in redis_url",
        );
    }
    if found.is_empty() {
        let after =
            if probe.latency.is_zero() { String::new() } else { format!(" after {:?}", probe.latency) };
        let what = format!("Redis {} responds{after} and evicts no buckets in use", probe.version);
        found.push(Finding::new(Area::Redis, Severity::Ok, what, ""));
    }
    found
}

/// Reports a server that is too slow for calls that wait for it until the deadline.
fn latency_finding(latency: Duration, deadline: Duration) -> Option<Finding> {
    let (severity, what, remedy) = match latency {
        slow if slow >= deadline => (
            Severity::Error,
            format!("it responds after {slow:?}: calls give up after {deadline:?} and count locally"),
            "place it closer, find out what keeps it busy (SLOWLOG GET), or raise redis_deadline",
        ),
        slow if slow > deadline / 4 => (
            Severity::Warning,
            format!("it responds after {slow:?}, and calls wait for it"),
            "place it closer, or use batches for rate classes (mode = \"leased\")",
        ),
        _ => return None,
    };
    Some(Finding::new(Area::Redis, severity, what, remedy))
}

/// Reports a server that refuses a bucket, does not describe itself, or has another time.
fn trial_findings(probe: &Probe) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut report =
        |severity, what: String, remedy: &str| found.push(Finding::new(Area::Redis, severity, what, remedy));
    if let Some(error) = &probe.refused {
        let (what, remedy) = if probe.counts_partly {
            (
                "a part of the cluster does not count limits",
                "see CLUSTER NODES, and start the primary that failed or replace it; until then each replica counts the \
                 limits of this part by itself",
            )
        } else {
            (
                "it does not count limits",
                "correct this cause on the server (docs/redis.md lists causes); until then each replica counts limits by itself",
            )
        };
        report(Severity::Error, format!("{what}: {error}"), remedy);
    }
    if let Some(error) = &probe.unreadable {
        report(
            Severity::Warning,
            format!("its eviction policy, its role or the state of its cluster cannot be read: {error}"),
            "permit INFO to the user (ACL: +info, and +cluster|info in a cluster), or check maxmemory-policy by hand",
        );
    }
    if let Some(error) = &probe.unheard {
        report(
            Severity::Warning,
            format!(
                "it wakes no replica: {error}; unless PostgreSQL does (database_pooler and database_dialect have their \
                 defaults), each sees a change at its next poll"
            ),
            "permit the channels to the user (ACL: &latchkey:* +subscribe +publish)",
        );
    }
    if probe.clock_offset.unsigned_abs() > FAR {
        let (by, way) =
            (probe.clock_offset.unsigned_abs(), if probe.clock_offset > 0 { "ahead of" } else { "behind" });
        report(
            Severity::Warning,
            format!("its clock is {by} s {way} the clock of this machine"),
            "synchronise both clocks (NTP): a correction can open limits too early, or up to one period late",
        );
    }
    found
}

/// Reports an eviction policy that can lose buckets.
fn eviction_findings(probe: &Probe) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut report =
        |severity, what: String, remedy: &str| found.push(Finding::new(Area::Redis, severity, what, remedy));
    let evicts = probe.most_memory > 0 && probe.policy != "noeviction";
    let any = probe.policy.starts_with("allkeys") || probe.policy.ends_with("random");
    if probe.evicted > 0 {
        report(
            Severity::Error,
            format!("it has evicted {} keys ({}): their limits were reset", probe.evicted, probe.policy),
            "give it more maxmemory, or a Redis of its own; the number is since the start of Redis or CONFIG RESETSTAT",
        );
    } else if evicts && any {
        report(
            Severity::Error,
            format!("it can evict any key ({}) when memory is short, which resets limits", probe.policy),
            "set maxmemory-policy noeviction or volatile-ttl, and enough maxmemory",
        );
    } else if evicts && probe.policy != "volatile-ttl" {
        report(
            Severity::Warning,
            format!("it can evict buckets ({}) when memory is short, which resets limits", probe.policy),
            "set maxmemory-policy noeviction or volatile-ttl, and enough maxmemory",
        );
    }
    found
}
