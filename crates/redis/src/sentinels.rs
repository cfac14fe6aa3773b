//! Redis Sentinel: servers that watch a primary and its replicas, and name the present primary.
//!
//! All Sentinels are asked at the same time, and the address that most of them name counts, so that a Sentinel that
//! was cut off from the others does not lead back to an old primary. If equally many name another one, the present
//! primary stays. The library's own client of Sentinel is not used: it asks one after the other, uses the first
//! answer, and needs more rights (SENTINEL MASTERS, ROLE).

use std::cmp::Reverse;
use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, ConnectionAddr, IntoConnectionInfo as _, RedisError, cmd};
use tokio::time::timeout;

use crate::address::{Address, InvalidUrl, PrimaryOfSentinels};
use crate::{without_tls, words};

/// Time limit for the answer of a Sentinel, the connection included.
const SENTINEL_TIMEOUT: Duration = Duration::from_millis(400);

/// Host and port of a primary, as Sentinels name it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct PrimaryAddress {
    host: String,
    port: u16,
}

impl fmt::Display for PrimaryAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

/// The Sentinels of one primary.
pub(crate) struct Sentinels {
    nodes: Vec<Sentinel>,
    address: Address,
    primary: PrimaryOfSentinels,
}

/// A Sentinel, and the connection to it that the next request uses.
struct Sentinel {
    client: Client,
    idle: Mutex<Option<MultiplexedConnection>>,
}

impl Sentinels {
    pub(crate) fn new(address: &Address, primary: &PrimaryOfSentinels) -> Result<Self, InvalidUrl> {
        let node = |client| Sentinel { client, idle: Mutex::new(None) };
        let nodes = address.clients()?.into_iter().map(node).collect();
        Ok(Self { nodes, address: address.clone(), primary: primary.clone() })
    }

    /// Returns the name of the primary in Sentinel.
    pub(crate) fn name(&self) -> &str {
        &self.primary.name
    }

    /// Returns the address that most Sentinels name. The error holds the error text of each.
    pub(crate) async fn primary(&self) -> Result<PrimaryAddress, RedisError> {
        self.named(None).await
    }

    /// Returns the address that most Sentinels name; of several, the present one.
    async fn named(&self, present: Option<&PrimaryAddress>) -> Result<PrimaryAddress, RedisError> {
        let mut named: HashMap<PrimaryAddress, usize> = HashMap::new();
        let mut errors = Vec::new();
        let mut asked: FuturesUnordered<_> = self.nodes.iter().map(|node| self.ask(node)).collect();
        while let Some((name, answer)) = asked.next().await {
            match answer {
                Ok(primary) => {
                    let votes = named.entry(primary).or_default();
                    *votes += 1;
                    if *votes > self.nodes.len() / 2 {
                        break;
                    }
                }
                Err(words) => errors.push(format!("{name}: {words}")),
            }
        }
        most_named(named, present).ok_or_else(|| {
            let text = format!("no Sentinel names the primary {}: {}", self.primary.name, errors.join("; "));
            std::io::Error::other(text).into()
        })
    }

    /// Returns whether the Sentinels now name another primary. If none responds, the present one stays.
    pub(crate) async fn name_another_than(&self, primary: &PrimaryAddress) -> bool {
        self.named(Some(primary)).await.is_ok_and(|named| named != *primary)
    }

    /// Returns a client of a primary.
    pub(crate) fn client(&self, primary: &PrimaryAddress) -> Result<Client, RedisError> {
        let (host, port) = (primary.host.clone(), primary.port);
        let node = if self.primary.tls {
            ConnectionAddr::TcpTls { host, port, insecure: false, tls_params: None }
        } else {
            ConnectionAddr::Tcp(host, port)
        };
        let node = node.into_connection_info()?.set_redis_settings(self.primary.settings.clone());
        self.address.client(node).map_err(|error| std::io::Error::other(error.to_string()).into())
    }

    /// Returns each Sentinel's name, with the text of its error if it did not name the primary.
    pub(crate) async fn examine(&self) -> Vec<(String, Option<String>)> {
        let mut asked: FuturesUnordered<_> = self.nodes.iter().map(|node| self.ask(node)).collect();
        let mut seen = Vec::new();
        while let Some((name, answer)) = asked.next().await {
            seen.push((name, answer.err()));
        }
        seen.sort();
        seen
    }

    /// Asks one Sentinel. Returns its name and its answer, or the text of its error.
    async fn ask(&self, node: &Sentinel) -> (String, Result<PrimaryAddress, String>) {
        let name = node.client.get_connection_info().addr().to_string();
        let answer = match timeout(SENTINEL_TIMEOUT, self.query(node)).await {
            Ok(Ok(Some((host, port)))) => Ok(PrimaryAddress { host, port }),
            Ok(Ok(None)) => Err(format!("it knows no primary named {}", self.primary.name)),
            Ok(Err(error)) if error.is_io_error() && without_tls::responds(&node.client).await => {
                Err(without_tls::WORDS.to_owned())
            }
            Ok(Err(error)) => Err(words::of(&error)),
            Err(_) if without_tls::responds(&node.client).await => Err(without_tls::WORDS.to_owned()),
            Err(_) => Err("no response in time".to_owned()),
        };
        (name, answer)
    }

    async fn query(&self, node: &Sentinel) -> Result<Option<(String, u16)>, RedisError> {
        let mut question = cmd("SENTINEL");
        question.arg("GET-MASTER-ADDR-BY-NAME").arg(&self.primary.name);
        let idle = node.idle.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(mut connection) = idle
            && let Ok(answer) = question.query_async(&mut connection).await
        {
            node.keep(connection);
            return Ok(answer);
        }
        let mut connection = node.open().await?;
        let answer = match question.query_async(&mut connection).await {
            Err(error) if error.code() == Some("NOAUTH") && self.log_in(&mut connection).await? => {
                question.query_async(&mut connection).await?
            }
            answer => answer?,
        };
        node.keep(connection);
        Ok(answer)
    }

    /// Logs in with the credentials of Redis at a Sentinel that wants some and has none of its own. Returns false if
    /// there are none.
    async fn log_in(&self, connection: &mut MultiplexedConnection) -> Result<bool, RedisError> {
        let settings = &self.primary.settings;
        let Some(password) = settings.password().filter(|_| !self.primary.own_credentials) else {
            return Ok(false);
        };
        let mut auth = cmd("AUTH");
        if let Some(user) = settings.username() {
            auth.arg(user);
        }
        auth.arg(password).exec_async(connection).await?;
        Ok(true)
    }
}

/// Returns the address with the most votes. Of several, it is the present one, otherwise the least, so that all replicas
/// choose the same one and none changes between them.
fn most_named(
    votes: HashMap<PrimaryAddress, usize>,
    present: Option<&PrimaryAddress>,
) -> Option<PrimaryAddress> {
    let order = |(primary, votes): &(PrimaryAddress, usize)| {
        (*votes, present == Some(primary), Reverse(primary.clone()))
    };
    votes.into_iter().max_by_key(order).map(|(primary, _)| primary)
}

impl Sentinel {
    async fn open(&self) -> Result<MultiplexedConnection, RedisError> {
        // The library's own time limits are only a last bound.
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(2 * SENTINEL_TIMEOUT))
            .set_response_timeout(Some(2 * SENTINEL_TIMEOUT));
        self.client.get_multiplexed_async_connection_with_config(&config).await
    }

    fn keep(&self, connection: MultiplexedConnection) {
        *self.idle.lock().unwrap_or_else(PoisonError::into_inner) = Some(connection);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn primary(port: u16) -> PrimaryAddress {
        PrimaryAddress { host: "10.0.0.1".to_owned(), port }
    }

    #[test]
    fn sentinels_that_disagree_evenly_do_not_move_a_replica_back_and_forth() {
        let chosen = |votes: &[(u16, usize)], present: Option<u16>| {
            let votes = votes.iter().map(|(port, votes)| (primary(*port), *votes)).collect();
            most_named(votes, present.map(primary).as_ref()).map(|primary| primary.port)
        };
        // The order of a hash map is random.
        for _ in 0..20 {
            assert_eq!(chosen(&[(1, 1), (2, 1)], Some(1)), Some(1));
            assert_eq!(chosen(&[(1, 1), (2, 1)], Some(2)), Some(2));
            assert_eq!(chosen(&[(1, 1), (2, 1)], None), Some(1), "all replicas choose the same");
            assert_eq!(chosen(&[(1, 1), (2, 1)], Some(3)), Some(1));
            assert_eq!(chosen(&[(1, 1), (2, 2)], Some(1)), Some(2), "most name another one");
        }
        assert_eq!(chosen(&[], Some(1)), None);
    }
}
