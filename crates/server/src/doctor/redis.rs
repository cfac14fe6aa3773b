//! A Redis: whether it answers within what a call can wait, and keeps what it was told.

use std::time::Duration;

use latchkey_config::Redis;
use latchkey_redis::{Node, Probe, probe};

use super::{Area, Finding, Severity};
use crate::config;

/// A call waits so long for it, and then counts alone.
const DEADLINE: Duration = Duration::from_millis(20);

pub(super) async fn examine(given: Option<&Redis>) -> Vec<Finding> {
    let Some(given) = given else { return Vec::new() };
    let probed = match config::redis(given) {
        Ok(address) => probe(&address).await.map(|nodes| (nodes, address.is_cluster())),
        Err(bad) => Err(bad),
    };
    match probed {
        Ok((nodes, in_cluster)) => nodes.iter().flat_map(|node| node_findings(node, in_cluster)).collect(),
        Err(bad) => vec![Finding::new(
            Area::Settings,
            Severity::Error,
            format!("redis_url: {bad}"),
            "write redis://HOST:PORT",
        )],
    }
}

fn node_findings(node: &Node, in_cluster: bool) -> Vec<Finding> {
    match &node.seen {
        Ok(probe) => probe_findings(probe, in_cluster)
            .into_iter()
            .map(|finding| Finding { message: format!("{}: {}", node.name, finding.message), ..finding })
            .collect(),
        Err(why) => vec![Finding::new(
            Area::Redis,
            Severity::Unreachable,
            format!("{} does not answer: {why}", node.name),
            "start it, or mend its address, password or network; until then each replica counts for itself",
        )],
    }
}

fn probe_findings(probe: &Probe, in_cluster: bool) -> Vec<Finding> {
    let mut found = eviction_findings(probe);
    let mut report =
        |severity, what: String, remedy: &str| found.push(Finding::new(Area::Redis, severity, what, remedy));
    match (&probe.cluster, in_cluster) {
        (Some(state), true) if state != "ok" => report(
            Severity::Error,
            format!("the cluster is not whole (cluster_state:{state}): limits there are counted apart"),
            "look at CLUSTER NODES and CLUSTER SLOTS, and give every slot a primary",
        ),
        (Some(_), false) => report(
            Severity::Error,
            "it is a node of a cluster, and knows a part of the limits only".to_owned(),
            "write redis+cluster:// or rediss+cluster:// in redis_url",
        ),
        (None, true) => report(
            Severity::Error,
            "it is no node of a cluster".to_owned(),
            "write redis:// or rediss:// in redis_url",
        ),
        _ => {}
    }
    // In a cluster a replica hands on to its primary.
    if !in_cluster && (probe.role == "slave" || probe.role == "replica") {
        report(
            Severity::Error,
            "it is a replica, and takes no writes".to_owned(),
            "name the primary in redis_url",
        );
    }
    if probe.latency >= DEADLINE {
        let what =
            format!("it answers after {:?}: calls give up after {DEADLINE:?} and count alone", probe.latency);
        report(Severity::Error, what, "bring it nearer, or look what keeps it busy (SLOWLOG GET)");
    } else if probe.latency > DEADLINE / 4 {
        let what = format!("it answers after {:?}, and calls wait for that", probe.latency);
        report(Severity::Warning, what, "bring it nearer, or let classes take batches (mode = \"leased\")");
    }
    if found.is_empty() {
        let what =
            format!("Redis {} answers after {:?} and evicts nothing in use", probe.version, probe.latency);
        found.push(Finding::new(Area::Redis, Severity::Ok, what, ""));
    }
    found
}

/// Whether it keeps what it was told.
fn eviction_findings(probe: &Probe) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut report =
        |severity, what: String, remedy: &str| found.push(Finding::new(Area::Redis, severity, what, remedy));
    let evicts = probe.most_memory > 0 && probe.policy != "noeviction";
    let any = probe.policy.starts_with("allkeys") || probe.policy.ends_with("random");
    if probe.evicted > 0 {
        report(
            Severity::Error,
            format!(
                "it has thrown away {} keys ({}): limits began anew for them",
                probe.evicted, probe.policy
            ),
            "give it more maxmemory, or a Redis of its own",
        );
    } else if evicts && any {
        report(
            Severity::Error,
            format!("it evicts ({}) whatever it likes when memory is short: limits begin anew", probe.policy),
            "set maxmemory-policy noeviction or volatile-ttl, and enough maxmemory",
        );
    } else if evicts && probe.policy != "volatile-ttl" {
        report(
            Severity::Warning,
            format!("it may evict buckets ({}) when memory is short", probe.policy),
            "set maxmemory-policy noeviction or volatile-ttl, and enough maxmemory",
        );
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn severities(probe: &Probe) -> Vec<Severity> {
        probe_findings(probe, false).iter().map(|finding| finding.severity).collect()
    }

    #[test]
    fn what_loses_buckets_or_is_late_is_told() {
        let good =
            Probe { policy: "noeviction".into(), latency: Duration::from_micros(200), ..Probe::default() };
        assert_eq!(severities(&good), [Severity::Ok]);
        let with = |policy: &str, most_memory| Probe { policy: policy.into(), most_memory, ..good.clone() };
        assert_eq!(severities(&with("allkeys-lru", 0)), [Severity::Ok], "memory is never short");
        assert_eq!(severities(&with("allkeys-lru", 1)), [Severity::Error]);
        assert_eq!(severities(&with("volatile-random", 1)), [Severity::Error]);
        assert_eq!(severities(&with("volatile-lru", 1)), [Severity::Warning]);
        assert_eq!(severities(&with("volatile-ttl", 1)), [Severity::Ok]);
        assert_eq!(severities(&Probe { evicted: 1, ..good.clone() }), [Severity::Error]);
        assert_eq!(severities(&Probe { role: "slave".into(), ..good.clone() }), [Severity::Error]);
        assert_eq!(
            severities(&Probe { latency: Duration::from_millis(6), ..good.clone() }),
            [Severity::Warning]
        );
        assert_eq!(severities(&Probe { latency: Duration::from_millis(20), ..good }), [Severity::Error]);
    }

    #[test]
    fn a_cluster_is_one_and_is_whole_and_is_named_as_one() {
        let messages_of = |cluster: Option<&str>, in_cluster| {
            let probe =
                Probe { role: "slave".into(), cluster: cluster.map(str::to_owned), ..Probe::default() };
            probe_findings(&probe, in_cluster)
                .iter()
                .map(|finding| finding.message.clone())
                .collect::<String>()
        };
        assert!(messages_of(Some("ok"), true).contains("evicts nothing"), "a replica will do there");
        assert!(messages_of(Some("fail"), true).contains("not whole"));
        assert!(messages_of(None, true).contains("no node of a cluster"));
        assert!(messages_of(Some("ok"), false).contains("a node of a cluster"));
    }
}
