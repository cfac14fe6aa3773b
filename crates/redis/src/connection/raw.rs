//! An open connection to Redis: to one server, which Sentinels may have named, or to all nodes of a cluster.

use std::time::Duration;

use latchkey_core::limit::BucketCharge;
use redis::aio::MultiplexedConnection;
use redis::cluster::ClusterClient;
use redis::cluster_async::ClusterConnection;
use redis::{AsyncConnectionConfig, Client, Cmd, ErrorKind, RedisError, ServerErrorKind};

use crate::address::{Address, InvalidUrl};
use crate::sentinels::{PrimaryAddress, Sentinels};
use crate::wire::{self, BucketOp, ScriptHandle};

/// A client, which opens connections.
pub(crate) enum RedisClient {
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

impl RedisClient {
    pub(crate) fn new(address: &Address) -> Result<Self, InvalidUrl> {
        if address.is_cluster() {
            return Ok(Self::Cluster(Box::new(address.cluster()?)));
        }
        if let Some(sentinels) = address.sentinels()? {
            return Ok(Self::Sentinels(Box::new(sentinels)));
        }
        address.clients()?.pop().map(|client| Self::One(Box::new(client))).ok_or(InvalidUrl::Unknown)
    }

    pub(crate) fn is_cluster(&self) -> bool {
        matches!(self, Self::Cluster(_))
    }

    /// Connects, and returns the primary if Sentinels named one. The library's own time limits are only a last bound;
    /// each call has its own deadline.
    pub(crate) async fn open(
        &self,
        patience: Duration,
    ) -> Result<(RawConnection, Option<PrimaryAddress>), RedisError> {
        match self {
            Self::One(client) => Ok((open_one(client, patience).await?, None)),
            Self::Cluster(client) => Ok((RawConnection::Cluster(client.get_async_connection().await?), None)),
            Self::Sentinels(sentinels) => {
                let primary = sentinels.primary().await?;
                let client = sentinels.client(&primary)?;
                Ok((open_one(&client, patience).await?, Some(primary)))
            }
        }
    }

    /// Returns whether Sentinels now name another primary.
    pub(crate) async fn has_moved_from(&self, primary: Option<&PrimaryAddress>) -> bool {
        match (self, primary) {
            (Self::Sentinels(sentinels), Some(primary)) => sentinels.name_another_than(primary).await,
            _ => false,
        }
    }
}

async fn open_one(client: &Client, patience: Duration) -> Result<RawConnection, RedisError> {
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(patience))
        .set_response_timeout(Some(patience));
    client.get_multiplexed_async_connection_with_config(&config).await.map(RawConnection::One)
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
