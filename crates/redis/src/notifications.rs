//! Change notifications between replicas: a process that has written publishes, and the others read the change
//! feed at once. There is one channel. A message contains only the sender's identifier, since the changes
//! themselves come from the database.
//!
//! A hanging subscription reports no error, and a closed one is not renewed automatically. Each process
//! therefore also publishes on a channel of its own, over the same connection, when it has received nothing for
//! a while (an echo). If the echo does not arrive in time, the process subscribes again, at the next node of a
//! cluster. (Nodes of a cluster forward messages to each other.) With Sentinel, it also subscribes again when the
//! Sentinels name another primary: an old primary that became a replica still returns echoes, and receives no
//! messages of others.

use std::convert::Infallible;
use std::future::pending;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use latchkey_core::ports::ChangeNotifications;
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, ProtocolVersion, PushInfo, PushKind, RedisError, Value, cmd};
use tokio::sync::Notify;
use tokio::sync::mpsc::{Receiver, channel};
use tokio::time::{Instant, sleep, timeout, timeout_at};

use crate::address::{Address, InvalidUrl};
use crate::sentinels::{PrimaryAddress, Sentinels};

const CHANNEL: &str = "latchkey:changes";
/// Identifier of the sender of a trial.
const TRIAL: &str = "trial";
/// Silence after which a process sends itself an echo, and the time that the echo may take. Together they stay
/// under a second.
const IDLE_BEFORE_ECHO: Duration = Duration::from_millis(400);
const ECHO_TIMEOUT: Duration = Duration::from_millis(400);
/// Pause between two attempts to subscribe.
const RESUBSCRIBE_DELAY: Duration = Duration::from_millis(200);
/// Pause between two requests to the Sentinels.
const FOLLOW_DELAY: Duration = Duration::from_secs(1);

/// Notifies other replicas of a commit. Never blocks and never fails; notifications may be merged.
#[derive(Clone, Debug)]
pub struct Notifier(Arc<Notify>);

impl Notifier {
    /// Requests a notification, which is sent as soon as the subscription's task runs.
    pub fn notify(&self) {
        self.0.notify_one();
    }
}

/// Receives other processes' notifications and sends this process's own.
pub struct RedisNotifications {
    address: Address,
    nodes: Vec<Client>,
    next: usize,
    sentinels: Option<Sentinels>,
    id: String,
    notifier: Notifier,
    subscription: Option<Subscription>,
}

/// A received message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Message {
    /// Notification by another process.
    Change,
    /// Echo of this process's own message.
    Echo,
    /// Loss of the connection.
    Disconnected,
}

/// An established subscription.
struct Subscription {
    connection: MultiplexedConnection,
    messages: Receiver<Message>,
    /// Address of the server, if Sentinels named it.
    primary: Option<PrimaryAddress>,
}

impl RedisNotifications {
    /// Creates an unconnected one. `id` identifies this process among all that share the Redis.
    pub fn new(address: &Address, id: &str) -> Result<Self, InvalidUrl> {
        let nodes = address.clients()?;
        let notifier = Notifier(Arc::default());
        let sentinels = address.sentinels()?;
        let (address, id) = (address.clone(), id.to_owned());
        Ok(Self { address, nodes, next: 0, sentinels, id, notifier, subscription: None })
    }

    /// Returns the notifier of the other processes.
    #[must_use]
    pub fn notifier(&self) -> Notifier {
        self.notifier.clone()
    }

    /// Returns a client of the next node, or of the primary that Sentinels name.
    async fn node(&mut self) -> Result<(Client, Option<PrimaryAddress>), RedisError> {
        if let Some(changed) = self.address.changed()
            && let (Ok(nodes), Ok(sentinels)) = (changed.clients(), changed.sentinels())
        {
            (self.address, self.nodes, self.sentinels) = (changed, nodes, sentinels);
        }
        if let Some(sentinels) = &self.sentinels {
            let primary = sentinels.primary().await?;
            return Ok((sentinels.client(&primary)?, Some(primary)));
        }
        self.next = (self.next + 1) % self.nodes.len();
        Ok((self.nodes[self.next].clone(), None))
    }

    /// Subscribes at the next node.
    async fn subscribe(&mut self) -> Result<Subscription, RedisError> {
        let (node, primary) = self.node().await?;
        let (sender, messages) = channel(8);
        let id = self.id.clone();
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(ECHO_TIMEOUT))
            .set_response_timeout(Some(ECHO_TIMEOUT))
            .set_push_sender(move |info: PushInfo| {
                // A full queue already holds enough messages to wake the receiver.
                let _ = parse_push(&info, &id).map(|message| sender.try_send(message));
                Ok::<_, Infallible>(())
            });
        let mut connection = resp3(&node)?.get_multiplexed_async_connection_with_config(&config).await?;
        connection.subscribe(&[CHANNEL, &echo_channel(&self.id)]).await?;
        let mut subscription = Subscription { connection, messages, primary };
        // A user that may not publish would lose the subscription with its first echo.
        subscription.publish(&echo_channel(&self.id), &self.id).await?;
        Ok(subscription)
    }
}

/// Subscribes and publishes as a process does, within a time limit for each request. The processes that share the Redis
/// read the change feed once more because of it.
pub(crate) async fn try_channels(client: &Client, limit: Duration) -> Result<(), RedisError> {
    let config =
        AsyncConnectionConfig::new().set_connection_timeout(Some(limit)).set_response_timeout(Some(limit));
    let mut connection = resp3(client)?.get_multiplexed_async_connection_with_config(&config).await?;
    let echo = echo_channel(TRIAL);
    connection.subscribe(&[CHANNEL, echo.as_str()]).await?;
    for channel in [CHANNEL, echo.as_str()] {
        cmd("PUBLISH").arg(channel).arg(TRIAL).exec_async(&mut connection).await?;
    }
    Ok(())
}

/// Returns the same client with the protocol that carries messages and responses on one connection.
fn resp3(client: &Client) -> Result<Client, RedisError> {
    let info = client.get_connection_info().clone();
    let redis = info.redis_settings().clone().set_protocol(ProtocolVersion::RESP3);
    Client::open(info.set_redis_settings(redis))
}

/// Returns when the Sentinels name another primary than that of the subscription.
async fn moved(sentinels: Option<&Sentinels>, primary: Option<&PrimaryAddress>) {
    let (Some(sentinels), Some(primary)) = (sentinels, primary) else { return pending().await };
    loop {
        sleep(FOLLOW_DELAY).await;
        if sentinels.name_another_than(primary).await {
            return;
        }
    }
}

/// Returns the name of the channel on which only this process listens.
fn echo_channel(id: &str) -> String {
    format!("latchkey:echo:{id}")
}

fn parse_push(info: &PushInfo, id: &str) -> Option<Message> {
    match (&info.kind, info.data.as_slice()) {
        (PushKind::Disconnection, _) => Some(Message::Disconnected),
        (PushKind::Message, [_, Value::BulkString(by)]) if by == id.as_bytes() => Some(Message::Echo),
        (PushKind::Message, _) => Some(Message::Change),
        _ => None,
    }
}

impl Subscription {
    async fn publish(&mut self, channel: &str, id: &str) -> Result<(), RedisError> {
        cmd("PUBLISH").arg(channel).arg(id).exec_async(&mut self.connection).await
    }

    /// Returns true when another process has published; false if the subscription is lost, or is no longer at the
    /// primary.
    async fn wait(&mut self, id: &str, notifier: &Notifier, sentinels: Option<&Sentinels>) -> bool {
        let primary = self.primary.clone();
        let mut moved = pin!(moved(sentinels, primary.as_ref()));
        let mut last = Instant::now();
        loop {
            let message = tokio::select! {
                message = timeout_at(last + IDLE_BEFORE_ECHO, self.messages.recv()) => message,
                () = notifier.0.notified() => {
                    if !matches!(timeout(ECHO_TIMEOUT, self.publish(CHANNEL, id)).await, Ok(Ok(()))) {
                        // Requested again, to be sent over the next subscription.
                        notifier.notify();
                        return false;
                    }
                    continue;
                }
                () = &mut moved => return false,
            };
            match message {
                Ok(Some(Message::Change)) => return true,
                Ok(Some(Message::Echo)) => {}
                Ok(Some(Message::Disconnected) | None) => return false,
                Err(_) => match timeout(ECHO_TIMEOUT, self.echo(id)).await {
                    Ok(Some(Message::Change)) => return true,
                    Ok(Some(Message::Echo)) => {}
                    _ => return false,
                },
            }
            last = Instant::now();
        }
    }

    /// Publishes an echo, and returns the next message within its time limit.
    async fn echo(&mut self, id: &str) -> Option<Message> {
        self.publish(&echo_channel(id), id).await.ok()?;
        self.messages.recv().await
    }
}

#[async_trait]
impl ChangeNotifications for RedisNotifications {
    async fn next(&mut self) {
        loop {
            if let Some(subscription) = &mut self.subscription {
                if subscription.wait(&self.id, &self.notifier, self.sentinels.as_ref()).await {
                    return;
                }
                self.subscription = None;
                tracing::info!(
                    "lost the subscription to change notifications on Redis; the change feed is polled until it is restored"
                );
            }
            match timeout(3 * ECHO_TIMEOUT, self.subscribe()).await {
                Ok(Ok(subscription)) => {
                    self.subscription = Some(subscription);
                    tracing::info!("subscribed to change notifications on Redis");
                    // A notification may have been missed before.
                    return;
                }
                _ => sleep(RESUBSCRIBE_DELAY).await,
            }
        }
    }
}
