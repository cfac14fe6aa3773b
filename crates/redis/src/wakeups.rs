//! Wake-ups between replicas: whoever has written rings, and the others read the change feed at once. One message
//! on one channel, which says who rang and nothing else: what changed is the database's to say.
//!
//! A subscription that hangs gives no error, and one that was closed is not made again by itself. So each process
//! also rings on a channel of its own whenever nothing was heard for a while, over the same connection: what
//! doesn't come back in time was lost on the way, and the process subscribes again, at the next node of a cluster.
//! (Nodes of a cluster hand messages on to each other.)

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use latchkey_core::ports::Wakeups;
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, ProtocolVersion, PushInfo, PushKind, RedisError, Value, cmd};
use tokio::sync::Notify;
use tokio::sync::mpsc::{Receiver, channel};
use tokio::time::{Instant, sleep, timeout, timeout_at};

use crate::address::{Address, BadUrl};

const CHANNEL: &str = "latchkey:changes";
/// Silence after which a process rings for itself, and how long that may take to be heard: together under a
/// second.
const QUIET: Duration = Duration::from_millis(400);
const PATIENCE: Duration = Duration::from_millis(400);
/// Between two tries to subscribe.
const PAUSE: Duration = Duration::from_millis(200);

/// Tells the other replicas that something was committed. Never waits, never fails; many rings are one.
#[derive(Clone, Debug)]
pub struct Bell(Arc<Notify>);

impl Bell {
    /// Rings, when whoever listens here has the time.
    pub fn ring(&self) {
        self.0.notify_one();
    }
}

/// Hears the others' rings, and sends this process's own.
pub struct Listening {
    nodes: Vec<Client>,
    next: usize,
    id: String,
    bell: Bell,
    line: Option<Line>,
}

/// What was heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Heard {
    /// Another process has rung.
    Change,
    /// This one has.
    Own,
    /// The connection is gone.
    Gone,
}

/// A subscription that is there.
struct Line {
    connection: MultiplexedConnection,
    heard: Receiver<Heard>,
}

impl Listening {
    /// Not connected yet. `id` is this process's among all of them.
    pub fn new(address: &Address, id: &str) -> Result<Self, BadUrl> {
        let resp3 = |client: Client| {
            let info = client.get_connection_info().clone();
            let redis = info.redis_settings().clone().set_protocol(ProtocolVersion::RESP3);
            Client::open(info.set_redis_settings(redis)).map_err(|_| BadUrl::Unknown)
        };
        let nodes = address.clients()?.into_iter().map(resp3).collect::<Result<_, _>>()?;
        Ok(Self { nodes, next: 0, id: id.to_owned(), bell: Bell(Arc::default()), line: None })
    }

    /// What makes the others hear.
    #[must_use]
    pub fn bell(&self) -> Bell {
        self.bell.clone()
    }

    /// Subscribes at the next node.
    async fn subscribe(&mut self) -> Result<Line, RedisError> {
        self.next = (self.next + 1) % self.nodes.len();
        let (say, heard) = channel(8);
        let id = self.id.clone();
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(PATIENCE))
            .set_response_timeout(Some(PATIENCE))
            .set_push_sender(move |info: PushInfo| {
                // A full queue holds enough to wake whoever reads it.
                let _ = heard_in(&info, &id).map(|heard| say.try_send(heard));
                Ok::<_, Infallible>(())
            });
        let node = &self.nodes[self.next];
        let mut connection = node.get_multiplexed_async_connection_with_config(&config).await?;
        connection.subscribe(&[CHANNEL, &own(&self.id)]).await?;
        Ok(Line { connection, heard })
    }
}

/// The channel that this process alone listens to.
fn own(id: &str) -> String {
    format!("latchkey:echo:{id}")
}

fn heard_in(info: &PushInfo, id: &str) -> Option<Heard> {
    match (&info.kind, info.data.as_slice()) {
        (PushKind::Disconnection, _) => Some(Heard::Gone),
        (PushKind::Message, [_, Value::BulkString(by)]) if by == id.as_bytes() => Some(Heard::Own),
        (PushKind::Message, _) => Some(Heard::Change),
        _ => None,
    }
}

impl Line {
    async fn publish(&mut self, channel: &str, id: &str) -> Result<(), RedisError> {
        cmd("PUBLISH").arg(channel).arg(id).exec_async(&mut self.connection).await
    }

    /// Returns true when another process has rung; false: the subscription is lost.
    async fn wait(&mut self, id: &str, bell: &Bell) -> bool {
        let mut last = Instant::now();
        loop {
            let heard = tokio::select! {
                heard = timeout_at(last + QUIET, self.heard.recv()) => heard,
                () = bell.0.notified() => {
                    if !matches!(timeout(PATIENCE, self.publish(CHANNEL, id)).await, Ok(Ok(()))) {
                        // Rung again when there is a line.
                        bell.ring();
                        return false;
                    }
                    continue;
                }
            };
            match heard {
                Ok(Some(Heard::Change)) => return true,
                Ok(Some(Heard::Own)) => {}
                Ok(Some(Heard::Gone) | None) => return false,
                Err(_) => match timeout(PATIENCE, self.echo(id)).await {
                    Ok(Some(Heard::Change)) => return true,
                    Ok(Some(Heard::Own)) => {}
                    _ => return false,
                },
            }
            last = Instant::now();
        }
    }

    /// Rings for itself, and answers what is heard then.
    async fn echo(&mut self, id: &str) -> Option<Heard> {
        self.publish(&own(id), id).await.ok()?;
        self.heard.recv().await
    }
}

#[async_trait]
impl Wakeups for Listening {
    async fn next(&mut self) {
        loop {
            if let Some(line) = &mut self.line {
                if line.wait(&self.id, &self.bell).await {
                    return;
                }
                self.line = None;
                tracing::info!("wake-ups by Redis ceased; the change feed is polled meanwhile");
            }
            match timeout(2 * PATIENCE, self.subscribe()).await {
                Ok(Ok(line)) => {
                    self.line = Some(line);
                    tracing::info!("wake-ups by Redis are heard");
                    // Something may have been said before.
                    return;
                }
                _ => sleep(PAUSE).await,
            }
        }
    }
}
