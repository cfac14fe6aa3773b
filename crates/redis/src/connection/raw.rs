//! An open connection to Redis: to one server, which Sentinels may have named, or to all nodes of a cluster.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use latchkey_core::limit::BucketCharge;
use redis::aio::MultiplexedConnection;
use redis::cluster::ClusterClient;
use redis::cluster_async::ClusterConnection;
use redis::{AsyncConnectionConfig, Client, Cmd, ErrorKind, RedisError, ServerErrorKind};

use crate::address::{Address, InvalidUrl};
use crate::sentinels::{PrimaryAddress, Sentinels};
use crate::wire::{self, BucketOp, ScriptHandle};
use crate::without_tls;

/// A client, which opens connections with the present credentials.
pub(crate) struct RedisClient {
    present: Mutex<(Address, Arc<Servers>)>,
    is_cluster: bool,
}

/// Servers that connections are opened to.
enum Servers {
    One(Box<Client>),
    Cluster(Box<ClusterClient>),
    Sentinels(Box<Sentinels>),
}

/// An open connection. Clones share it.
#[derive(Clone)]
pub(crate) enum RawConnection {
    One(MultiplexedConnection),
    Cluster(ClusterConnection),
}

impl Servers {
    fn new(address: &Address) -> Result<Arc<Self>, InvalidUrl> {
        let servers = if address.is_cluster() {
            Self::Cluster(Box::new(address.cluster()?))
        } else if let Some(sentinels) = address.sentinels()? {
            Self::Sentinels(Box::new(sentinels))
        } else {
            Self::One(Box::new(address.clients()?.pop().ok_or(InvalidUrl::Unknown)?))
        };
        Ok(Arc::new(servers))
    }
}

impl RedisClient {
    pub(crate) fn new(address: &Address) -> Result<Self, InvalidUrl> {
        let present = Mutex::new((address.clone(), Servers::new(address)?));
        Ok(Self { present, is_cluster: address.is_cluster() })
    }

    pub(crate) fn is_cluster(&self) -> bool {
        self.is_cluster
    }

    /// Returns the servers; with `read`, by the credentials that the URL's file has now.
    fn servers(&self, read: bool) -> Arc<Servers> {
        let mut present = self.present.lock().unwrap_or_else(PoisonError::into_inner);
        if read
            && let Some(changed) = present.0.changed()
            && let Ok(servers) = Servers::new(&changed)
        {
            *present = (changed, servers);
        }
        Arc::clone(&present.1)
    }

    /// Connects, and returns the primary if Sentinels named one. The library's own time limits are only a last bound;
    /// each call has its own deadline.
    pub(crate) async fn open(
        &self,
        patience: Duration,
    ) -> Result<(RawConnection, Option<PrimaryAddress>), RedisError> {
        match &*self.servers(true) {
            Servers::One(client) => Ok((open_one(client, patience).await?, None)),
            Servers::Cluster(client) => {
                Ok((RawConnection::Cluster(client.get_async_connection().await?), None))
            }
            Servers::Sentinels(sentinels) => {
                let primary = sentinels.primary().await?;
                let client = sentinels.client(&primary)?;
                Ok((open_one(&client, patience).await?, Some(primary)))
            }
        }
    }

    /// Returns whether Sentinels now name another primary.
    pub(crate) async fn has_moved_from(&self, primary: Option<&PrimaryAddress>) -> bool {
        match (&*self.servers(false), primary) {
            (Servers::Sentinels(sentinels), Some(primary)) => sentinels.name_another_than(primary).await,
            _ => false,
        }
    }
}

async fn open_one(client: &Client, patience: Duration) -> Result<RawConnection, RedisError> {
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(patience))
        .set_response_timeout(Some(patience));
    match client.get_multiplexed_async_connection_with_config(&config).await {
        Err(error) if error.is_io_error() && without_tls::responds(client).await => {
            Err(std::io::Error::other(format!("{error}: {}", without_tls::WORDS)).into())
        }
        opened => opened.map(RawConnection::One),
    }
}

impl RawConnection {
    /// Sends a command and returns the integers of its response.
    pub(crate) async fn numbers(&mut self, command: &Cmd) -> Result<Vec<i64>, RedisError> {
        match self {
            Self::One(connection) => command.query_async(connection).await,
            Self::Cluster(connection) => command.query_async(connection).await,
        }
    }

    /// Runs the script by its hash, or by its text if the server does not have it. The script is not loaded in
    /// advance, since that would need a request to every node of a cluster.
    pub(crate) async fn run(
        &mut self,
        script: &ScriptHandle,
        operations: &[(BucketCharge, BucketOp)],
        cost: u32,
        look: bool,
    ) -> Result<Vec<i64>, RedisError> {
        match self.numbers(&script.by_hash(operations, cost, look)).await {
            Err(error) if error.kind() == ErrorKind::Server(ServerErrorKind::NoScript) => {
                self.numbers(&wire::by_text(operations, cost, look)).await
            }
            reply => reply,
        }
    }
}
