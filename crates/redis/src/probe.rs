//! Health of Redis, for operators. No client call uses it.

use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, InfoDict, RedisError, cmd};
use tokio::time::{Instant, timeout};

use crate::address::{Address, InvalidUrl};

/// Number of requests whose latency is measured.
const PINGS: usize = 20;
/// Time limit for all requests to one node.
const PROBE_TIMEOUT: Duration = Duration::from_secs(3);

/// A named node and its state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// Host and port, without a password.
    pub name: String,
    /// State of the node, or the reason why it could not be read.
    pub seen: Result<Probe, Unreachable>,
}

/// State of a node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Probe {
    /// Version of Redis.
    pub version: String,
    /// Memory limit in bytes; 0 if there is none.
    pub most_memory: u64,
    /// Eviction policy at the memory limit.
    pub policy: String,
    /// Number of keys evicted since the node's start.
    pub evicted: u64,
    /// `master` or `slave`.
    pub role: String,
    /// State of the node's cluster: `ok` or `fail`; `None` if it belongs to none.
    pub cluster: Option<String>,
    /// Median latency of a request.
    pub latency: Duration,
}

/// Error that a node did not respond, or refused. The text never contains the request.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unreachable(pub String);

/// Reads the state of each named node; of a single server, its own.
pub async fn probe(address: &Address) -> Result<Vec<Node>, InvalidUrl> {
    let mut nodes = Vec::new();
    for client in address.clients()? {
        let seen = match timeout(PROBE_TIMEOUT, inspect(&client)).await {
            Ok(seen) => seen.map_err(|error| {
                Unreachable(error.code().map_or_else(|| format!("{:?}", error.kind()), str::to_owned))
            }),
            Err(_) => Err(Unreachable("no response in time".to_owned())),
        };
        nodes.push(Node { name: client.get_connection_info().addr().to_string(), seen });
    }
    Ok(nodes)
}

async fn inspect(client: &Client) -> Result<Probe, RedisError> {
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(PROBE_TIMEOUT))
        .set_response_timeout(Some(PROBE_TIMEOUT));
    let mut connection = client.get_multiplexed_async_connection_with_config(&config).await?;
    let info: InfoDict = cmd("INFO").query_async(&mut connection).await?;
    let text = |name: &str| info.get::<String>(name).unwrap_or_default();
    let number = |name: &str| info.get::<u64>(name).unwrap_or_default();
    let cluster = match number("cluster_enabled") {
        0 => None,
        _ => Some(state(&mut connection).await?),
    };
    Ok(Probe {
        version: text("redis_version"),
        most_memory: number("maxmemory"),
        policy: text("maxmemory_policy"),
        evicted: number("evicted_keys"),
        role: text("role"),
        cluster,
        latency: latency(&mut connection).await?,
    })
}

async fn state(connection: &mut MultiplexedConnection) -> Result<String, RedisError> {
    let info: InfoDict = cmd("CLUSTER").arg("INFO").query_async(connection).await?;
    Ok(info.get("cluster_state").unwrap_or_default())
}

async fn latency(connection: &mut MultiplexedConnection) -> Result<Duration, RedisError> {
    let mut times = Vec::with_capacity(PINGS);
    for _ in 0..PINGS {
        let start = Instant::now();
        cmd("PING").query_async::<()>(connection).await?;
        times.push(start.elapsed());
    }
    times.sort_unstable();
    Ok(times[PINGS / 2])
}
