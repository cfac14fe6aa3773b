//! Health of Redis, for operators. No client call uses it.

use std::time::{Duration, UNIX_EPOCH};

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, ErrorKind, InfoDict, RedisError, cmd};
use tokio::time::{Instant, timeout};

use crate::address::{Address, InvalidUrl};
use crate::connection::Trial;
use crate::connection::raw::{RawConnection, RedisClient};
use crate::notifications::try_channels;
use crate::sentinels::Sentinels;
use crate::wire::ScriptHandle;
use crate::{without_tls, words};

/// Number of requests whose latency is measured.
const TRIALS: usize = 20;
/// Number of buckets that are charged in a cluster, and the time limit for each.
const CLUSTER_TRIALS: usize = 32;
const CLUSTER_TRIAL_TIMEOUT: Duration = Duration::from_millis(200);
/// Number of buckets that are not counted after which the trial of a cluster ends, if others are counted or none is.
const CLUSTER_FAILURES: (usize, usize) = (4, 10);
/// Time limit for all requests to one node.
const PROBE_TIMEOUT: Duration = Duration::from_secs(3);

/// Number of slots of a cluster.
const SLOTS: u64 = 16_384;

/// Words about a server that did not respond in time.
const SILENT: &str = "no response in time";

/// A named node and its state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// Host and port, without a password.
    pub name: String,
    /// State of the node, or the reason why it could not be read.
    pub seen: Result<Probe, Unreachable>,
    /// Refusal of a node that responded, and whose state could not be read; `None` if it did not respond.
    pub refusal: Option<Refusal>,
    /// True for a Sentinel that did not name the primary.
    pub sentinel: bool,
}

/// Refusal by a server that responded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The user or the password is wrong.
    Credentials,
    /// Any other refusal, which its text explains.
    Other,
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
    /// State of the node's cluster: `ok` or `fail`, and empty if it could not be read; `None` if it belongs to none.
    pub cluster: Option<String>,
    /// Number of the cluster's slots that no node serves.
    pub missing_slots: u64,
    /// Median latency of a limit request; zero if none was measured. In a cluster, that of the first node is measured over
    /// all nodes.
    pub latency: Duration,
    /// Clock of the server minus that of this process, in seconds.
    pub clock_offset: i64,
    /// Error text of a trial that charges a bucket as a call does; `None` if it succeeded.
    pub refused: Option<String>,
    /// True if other buckets of a cluster were counted, so that only a part of it does not count.
    pub counts_partly: bool,
    /// Error text of a trial that subscribes and publishes as a process does for wake-ups; `None` if it succeeded.
    pub unheard: Option<String>,
    /// Error text of INFO, or of CLUSTER INFO. The fields that it would fill are then empty.
    pub unreadable: Option<String>,
}

/// Error that a node did not respond, or refused. The text never contains the request.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unreachable(pub String);

/// Reads the state of each named node: of a single server, or with Sentinel of the primary. Buckets are charged for a
/// trial, and then deleted.
pub async fn probe(address: &Address) -> Result<Vec<Node>, InvalidUrl> {
    let changed = address.changed_silently();
    let address = changed.as_ref().unwrap_or(address);
    if let Some(sentinels) = address.sentinels()? {
        return Ok(probe_sentinels(&sentinels).await);
    }
    let mut nodes = Vec::new();
    for client in address.clients()? {
        nodes.push(probe_node(&client, address.is_cluster()).await);
    }
    if address.is_cluster() {
        let tried = match timeout(PROBE_TIMEOUT, try_cluster(address)).await {
            Ok(tried) => tried?,
            Err(_) => ClusterTrial { failure: Some(SILENT.to_owned()), ..ClusterTrial::default() },
        };
        if let Some(Ok(first)) = nodes.iter_mut().map(|node| node.seen.as_mut()).find(Result::is_ok) {
            first.counts_partly = tried.failure.is_some() && tried.counted();
            first.latency = median(tried.times);
            first.refused = tried.failure;
        }
    }
    Ok(nodes)
}

async fn probe_node(client: &Client, in_cluster: bool) -> Node {
    let (seen, refusal) = match timeout(PROBE_TIMEOUT, inspect(client, in_cluster)).await {
        Ok(Ok(seen)) => (Ok(seen), None),
        Ok(Err(error)) => (Err(Unreachable(words::of(&error))), refusal(&error)),
        Err(_) => (Err(Unreachable(SILENT.to_owned())), None),
    };
    let seen = match seen {
        Err(Unreachable(words)) if refusal.is_none() && without_tls::responds(client).await => {
            Err(Unreachable(format!("{words}: {}", without_tls::WORDS)))
        }
        seen => seen,
    };
    Node { name: client.get_connection_info().addr().to_string(), seen, refusal, sentinel: false }
}

/// Returns the refusal that an error stands for; `None` if the server did not respond.
fn refusal(error: &RedisError) -> Option<Refusal> {
    match error.kind() {
        ErrorKind::AuthenticationFailed => Some(Refusal::Credentials),
        ErrorKind::Server(_) | ErrorKind::Extension => Some(Refusal::Other),
        _ => None,
    }
}

/// Reads the state of the primary. The Sentinels that did not name it follow.
async fn probe_sentinels(sentinels: &Sentinels) -> Vec<Node> {
    let primary = match sentinels.primary().await.and_then(|primary| sentinels.client(&primary)) {
        Ok(client) => probe_node(&client, false).await,
        Err(error) => {
            let seen = Err(Unreachable(words::of(&error)));
            let refusal = refusal(&error);
            Node { name: format!("the primary {}", sentinels.name()), seen, refusal, sentinel: false }
        }
    };
    let silent = sentinels.examine().await.into_iter().filter_map(|(name, error)| {
        error.map(|error| Node { name, seen: Err(Unreachable(error)), refusal: None, sentinel: true })
    });
    [primary].into_iter().chain(silent).collect()
}

/// Result of charging buckets in a cluster.
#[derive(Debug, Default)]
struct ClusterTrial {
    /// Error text of the first bucket that was not counted.
    failure: Option<String>,
    /// Latencies of those that were counted.
    times: Vec<Duration>,
}

impl ClusterTrial {
    /// Returns whether one was counted.
    fn counted(&self) -> bool {
        !self.times.is_empty()
    }
}

/// Charges buckets in many slots, so that it reaches all nodes. Goes on after failures, to find out whether all nodes fail.
async fn try_cluster(address: &Address) -> Result<ClusterTrial, InvalidUrl> {
    let (source, script) = (RedisClient::new(address)?, ScriptHandle::new());
    let mut tried = ClusterTrial::default();
    let mut raw = match source.open(PROBE_TIMEOUT).await {
        Ok((raw, _)) => raw,
        Err(error) => {
            return Ok(ClusterTrial { failure: Some(words::of(&error)), ..ClusterTrial::default() });
        }
    };
    let mut failures = 0;
    for _ in 0..CLUSTER_TRIALS {
        let failure = match timeout(CLUSTER_TRIAL_TIMEOUT, try_slot(&mut raw, &script)).await {
            Ok(Ok(time)) => {
                tried.times.push(time);
                continue;
            }
            Ok(Err(error)) => words::of(&error),
            Err(_) => SILENT.to_owned(),
        };
        tried.failure.get_or_insert(failure);
        failures += 1;
        let enough = if tried.counted() { CLUSTER_FAILURES.0 } else { CLUSTER_FAILURES.1 };
        if failures >= enough {
            break;
        }
    }
    Ok(tried)
}

/// Charges a bucket in any slot of a cluster, and deletes it. Returns the latency of the charge.
async fn try_slot(raw: &mut RawConnection, script: &ScriptHandle) -> Result<Duration, RedisError> {
    let (trial, start) = (Trial::new(), Instant::now());
    trial.charge(raw, script).await?;
    let latency = start.elapsed();
    trial.undo(raw, script).await?;
    Ok(latency)
}

/// Returns the median; zero if there is none.
fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

async fn inspect(client: &Client, in_cluster: bool) -> Result<Probe, RedisError> {
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(PROBE_TIMEOUT))
        .set_response_timeout(Some(PROBE_TIMEOUT));
    let mut connection = client.get_multiplexed_async_connection_with_config(&config).await?;
    let mut probe = match cmd("INFO").query_async::<InfoDict>(&mut connection).await {
        Ok(info) => read_info(&info),
        Err(error) => Probe { unreadable: Some(words::of(&error)), ..Probe::default() },
    };
    if probe.cluster.is_some() {
        match state(&mut connection).await {
            Ok((state, missing)) => (probe.cluster, probe.missing_slots) = (Some(state), missing),
            Err(error) => probe.unreadable = Some(words::of(&error)),
        }
    }
    if !in_cluster && probe.cluster.is_none() {
        let mut raw = RawConnection::One(connection);
        if let Err(error) = measure(&mut raw, &mut probe).await {
            probe.refused = Some(words::of(&error));
        }
    }
    if probe.refused.is_none() {
        probe.unheard = try_channels(client, PROBE_TIMEOUT).await.err().map(|error| words::of(&error));
    }
    Ok(probe)
}

fn read_info(info: &InfoDict) -> Probe {
    let text = |name: &str| info.get::<String>(name).unwrap_or_default();
    let number = |name: &str| info.get::<u64>(name).unwrap_or_default();
    Probe {
        version: text("redis_version"),
        most_memory: number("maxmemory"),
        policy: text("maxmemory_policy"),
        evicted: number("evicted_keys"),
        role: text("role"),
        cluster: (number("cluster_enabled") != 0).then(String::new),
        clock_offset: match number("server_time_usec") {
            0 => 0,
            micros => offset(i64::try_from(micros).unwrap_or(i64::MAX)),
        },
        ..Probe::default()
    }
}

/// Charges a bucket as a call does, measures that, and deletes the bucket.
async fn measure(raw: &mut RawConnection, probe: &mut Probe) -> Result<(), RedisError> {
    let (trial, script) = (Trial::new(), ScriptHandle::new());
    let mut times = Vec::with_capacity(TRIALS);
    for _ in 0..TRIALS {
        let start = Instant::now();
        let time = trial.charge(raw, &script).await?;
        times.push(start.elapsed());
        probe.clock_offset = time.map_or(0, offset);
    }
    for _ in 0..TRIALS {
        trial.undo(raw, &script).await?;
    }
    probe.latency = median(times);
    Ok(())
}

/// Returns a server's time in microseconds minus the wall clock, in seconds.
fn offset(time: i64) -> i64 {
    let wall = UNIX_EPOCH.elapsed().map_or(0, |elapsed| elapsed.as_micros());
    time.saturating_sub(i64::try_from(wall).unwrap_or(i64::MAX)) / 1_000_000
}

/// Returns the state of a node's cluster, and the number of slots that no node serves.
async fn state(connection: &mut MultiplexedConnection) -> Result<(String, u64), RedisError> {
    let info: InfoDict = cmd("CLUSTER").arg("INFO").query_async(connection).await?;
    let served = info.get::<u64>("cluster_slots_ok").unwrap_or(SLOTS);
    Ok((info.get("cluster_state").unwrap_or_default(), SLOTS.saturating_sub(served)))
}
