//! How a Redis is, for whoever looks after it; no call of a client asks this.

use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, InfoDict, RedisError, cmd};
use tokio::time::{Instant, timeout};

use crate::address::{Address, InvalidUrl};

/// Questions whose time is taken.
const PINGS: usize = 20;
/// For all of one node.
const PROBE_TIMEOUT: Duration = Duration::from_secs(3);

/// A node that the address names, and what was seen of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// Its host and port, without a password.
    pub name: String,
    /// What was seen.
    pub seen: Result<Probe, Unreachable>,
}

/// What was seen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Probe {
    /// Its version.
    pub version: String,
    /// The memory that it may use; 0: all there is.
    pub most_memory: u64,
    /// What it does when that is full.
    pub policy: String,
    /// Keys that it has thrown away to make room since it was started.
    pub evicted: u64,
    /// `master` or `slave`.
    pub role: String,
    /// The state of the cluster that it is part of: `ok` or `fail`; none: it is part of none.
    pub cluster: Option<String>,
    /// How long an answer takes, at the median.
    pub latency: Duration,
}

/// It doesn't answer, or refuses; the text never shows what was sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unreachable(pub String);

/// Looks at each node that is named; of one server, at that one.
pub async fn probe(address: &Address) -> Result<Vec<Node>, InvalidUrl> {
    let mut nodes = Vec::new();
    for client in address.clients()? {
        let seen = match timeout(PROBE_TIMEOUT, inspect(&client)).await {
            Ok(seen) => seen.map_err(|error| {
                Unreachable(error.code().map_or_else(|| format!("{:?}", error.kind()), str::to_owned))
            }),
            Err(_) => Err(Unreachable("no answer in time".to_owned())),
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
