//! A Redis: whether it answers within what a call can wait, and keeps what it was told.

use std::time::Duration;

use latchkey_config::Redis;
use latchkey_redis::{Node, Probe, probe};

use super::{Area, Finding, Weight};
use crate::settings;

/// A call waits so long for it, and then counts alone.
const DEADLINE: Duration = Duration::from_millis(20);

pub(super) async fn examine(given: Option<&Redis>) -> Vec<Finding> {
    let Some(given) = given else { return Vec::new() };
    let probed = match settings::redis(given) {
        Ok(address) => probe(&address).await.map(|nodes| (nodes, address.is_cluster())),
        Err(bad) => Err(bad),
    };
    match probed {
        Ok((nodes, in_cluster)) => nodes.iter().flat_map(|node| told(node, in_cluster)).collect(),
        Err(bad) => vec![Finding::new(
            Area::Settings,
            Weight::Wrong,
            format!("redis_url: {bad}"),
            "write redis://HOST:PORT",
        )],
    }
}

fn told(node: &Node, in_cluster: bool) -> Vec<Finding> {
    match &node.seen {
        Ok(probe) => judge(probe, in_cluster)
            .into_iter()
            .map(|finding| Finding { what: format!("{}: {}", node.name, finding.what), ..finding })
            .collect(),
        Err(why) => vec![Finding::new(
            Area::Redis,
            Weight::Unreachable,
            format!("{} does not answer: {why}", node.name),
            "start it, or mend its address, password or network; until then each replica counts for itself",
        )],
    }
}

fn judge(probe: &Probe, in_cluster: bool) -> Vec<Finding> {
    let mut found = kept(probe);
    let mut tell =
        |weight, what: String, remedy: &str| found.push(Finding::new(Area::Redis, weight, what, remedy));
    match (&probe.cluster, in_cluster) {
        (Some(state), true) if state != "ok" => tell(
            Weight::Wrong,
            format!("the cluster is not whole (cluster_state:{state}): limits there are counted apart"),
            "look at CLUSTER NODES and CLUSTER SLOTS, and give every slot a primary",
        ),
        (Some(_), false) => tell(
            Weight::Wrong,
            "it is a node of a cluster, and knows a part of the limits only".to_owned(),
            "write redis+cluster:// or rediss+cluster:// in redis_url",
        ),
        (None, true) => tell(
            Weight::Wrong,
            "it is no node of a cluster".to_owned(),
            "write redis:// or rediss:// in redis_url",
        ),
        _ => {}
    }
    // In a cluster a replica hands on to its primary.
    if !in_cluster && (probe.role == "slave" || probe.role == "replica") {
        tell(
            Weight::Wrong,
            "it is a replica, and takes no writes".to_owned(),
            "name the primary in redis_url",
        );
    }
    if probe.latency >= DEADLINE {
        let what =
            format!("it answers after {:?}: calls give up after {DEADLINE:?} and count alone", probe.latency);
        tell(Weight::Wrong, what, "bring it nearer, or look what keeps it busy (SLOWLOG GET)");
    } else if probe.latency > DEADLINE / 4 {
        let what = format!("it answers after {:?}, and calls wait for that", probe.latency);
        tell(Weight::Doubtful, what, "bring it nearer, or let classes take batches (mode = \"leased\")");
    }
    if found.is_empty() {
        let what =
            format!("Redis {} answers after {:?} and evicts nothing in use", probe.version, probe.latency);
        found.push(Finding::new(Area::Redis, Weight::Good, what, ""));
    }
    found
}

/// Whether it keeps what it was told.
fn kept(probe: &Probe) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut tell =
        |weight, what: String, remedy: &str| found.push(Finding::new(Area::Redis, weight, what, remedy));
    let evicts = probe.most_memory > 0 && probe.policy != "noeviction";
    let any = probe.policy.starts_with("allkeys") || probe.policy.ends_with("random");
    if probe.evicted > 0 {
        tell(
            Weight::Wrong,
            format!(
                "it has thrown away {} keys ({}): limits began anew for them",
                probe.evicted, probe.policy
            ),
            "give it more maxmemory, or a Redis of its own",
        );
    } else if evicts && any {
        tell(
            Weight::Wrong,
            format!("it evicts ({}) whatever it likes when memory is short: limits begin anew", probe.policy),
            "set maxmemory-policy noeviction or volatile-ttl, and enough maxmemory",
        );
    } else if evicts && probe.policy != "volatile-ttl" {
        tell(
            Weight::Doubtful,
            format!("it may evict buckets ({}) when memory is short", probe.policy),
            "set maxmemory-policy noeviction or volatile-ttl, and enough maxmemory",
        );
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn weights(probe: &Probe) -> Vec<Weight> {
        judge(probe, false).iter().map(|finding| finding.weight).collect()
    }

    #[test]
    fn what_loses_buckets_or_is_late_is_told() {
        let good =
            Probe { policy: "noeviction".into(), latency: Duration::from_micros(200), ..Probe::default() };
        assert_eq!(weights(&good), [Weight::Good]);
        let with = |policy: &str, most_memory| Probe { policy: policy.into(), most_memory, ..good.clone() };
        assert_eq!(weights(&with("allkeys-lru", 0)), [Weight::Good], "memory is never short");
        assert_eq!(weights(&with("allkeys-lru", 1)), [Weight::Wrong]);
        assert_eq!(weights(&with("volatile-random", 1)), [Weight::Wrong]);
        assert_eq!(weights(&with("volatile-lru", 1)), [Weight::Doubtful]);
        assert_eq!(weights(&with("volatile-ttl", 1)), [Weight::Good]);
        assert_eq!(weights(&Probe { evicted: 1, ..good.clone() }), [Weight::Wrong]);
        assert_eq!(weights(&Probe { role: "slave".into(), ..good.clone() }), [Weight::Wrong]);
        assert_eq!(weights(&Probe { latency: Duration::from_millis(6), ..good.clone() }), [Weight::Doubtful]);
        assert_eq!(weights(&Probe { latency: Duration::from_millis(20), ..good }), [Weight::Wrong]);
    }

    #[test]
    fn a_cluster_is_one_and_is_whole_and_is_named_as_one() {
        let told = |cluster: Option<&str>, in_cluster| {
            let probe =
                Probe { role: "slave".into(), cluster: cluster.map(str::to_owned), ..Probe::default() };
            judge(&probe, in_cluster).iter().map(|finding| finding.what.clone()).collect::<String>()
        };
        assert!(told(Some("ok"), true).contains("evicts nothing"), "a replica will do there");
        assert!(told(Some("fail"), true).contains("not whole"));
        assert!(told(None, true).contains("no node of a cluster"));
        assert!(told(Some("ok"), false).contains("a node of a cluster"));
    }
}
