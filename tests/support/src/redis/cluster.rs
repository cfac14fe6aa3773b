//! A real Redis Cluster of three masters on loopback, without replicas: no other node replaces a node that is
//! stopped.

use super::{Redis, RedisMode};
use crate::{eventually, free_port};

/// Three nodes that share the slots.
#[derive(Debug)]
pub struct RedisCluster(Vec<Redis>);

impl RedisCluster {
    /// Starts a cluster, and waits until every node knows the others.
    #[must_use]
    pub fn start() -> Self {
        let buses = [(); 3].map(|()| free_port());
        let nodes = buses.map(|bus| Redis::with_mode(RedisMode::Node(bus)));
        for (node, slots) in nodes.iter().zip([(0, 5460), (5461, 10_922), (10_923, 16_383)]) {
            let range = [slots.0.to_string(), slots.1.to_string()];
            assert_eq!(node.cli(&["CLUSTER", "ADDSLOTSRANGE", &range[0], &range[1]]), "OK");
            let ports = [nodes[0].port().to_string(), buses[0].to_string()];
            assert_eq!(node.cli(&["CLUSTER", "MEET", "127.0.0.1", &ports[0], &ports[1]]), "OK");
        }
        let whole = |node: &Redis| {
            let info = node.cli(&["CLUSTER", "INFO"]);
            info.contains("cluster_state:ok") && info.contains("cluster_size:3")
        };
        eventually("the cluster is whole", || nodes.iter().all(whole).then_some(()));
        Self(nodes.into())
    }

    /// Returns the URL with two of the nodes.
    #[must_use]
    pub fn url(&self) -> String {
        format!("redis+cluster://127.0.0.1:{},127.0.0.1:{}", self.0[0].port(), self.0[1].port())
    }

    /// Returns the nodes of the cluster.
    #[must_use]
    pub fn nodes(&self) -> &[Redis] {
        &self.0
    }

    /// Returns the node that holds a key.
    #[must_use]
    pub fn holder(&self, key: &str) -> &Redis {
        let slot: u32 = self.0[0].cli(&["CLUSTER", "KEYSLOT", key]).parse().expect("a slot");
        &self.0[usize::from(slot > 5460) + usize::from(slot > 10_922)]
    }
}
