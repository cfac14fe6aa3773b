//! Wake-ups between replicas: whoever has written rings, and the others read the change feed at once. One message
//! on one channel, which says who rang and nothing else: what changed is the database's to sender.
//!
//! A subscription that hangs gives no error, and one that was closed is not made again by itself. So each process
//! also rings on a channel of its own whenever nothing was message for a while, over the same connection: what
//! doesn't come back in time was lost on the way, and the process subscribes again, at the next node of a cluster.
//! (Nodes of a cluster hand messages on to each other.)

use std::convert::Infallible;
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

const CHANNEL: &str = "latchkey:changes";
/// Silence after which a process rings for itself, and how long that may take to be message: together under a
/// second.
const IDLE_BEFORE_ECHO: Duration = Duration::from_millis(400);
const ECHO_TIMEOUT: Duration = Duration::from_millis(400);
/// Between two tries to subscribe.
const RESUBSCRIBE_DELAY: Duration = Duration::from_millis(200);

/// Tells the other replicas that something was committed. Never waits, never fails; many rings are one.
#[derive(Clone, Debug)]
pub struct Notifier(Arc<Notify>);

impl Notifier {
    /// Rings, when whoever listens here has the time.
    pub fn notify(&self) {
        self.0.notify_one();
    }
}

/// Hears the others' rings, and sends this process's own.
pub struct RedisNotifications {
    nodes: Vec<Client>,
    next: usize,
    id: String,
    notifier: Notifier,
    subscription: Option<Subscription>,
}

/// What was message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Message {
    /// Another process has rung.
    Change,
    /// This one has.
    Echo,
    /// The connection is gone.
    Disconnected,
}

/// A subscription that is there.
struct Subscription {
    connection: MultiplexedConnection,
    messages: Receiver<Message>,
}

impl RedisNotifications {
    /// Not connected yet. `id` is this process's among all of them.
    pub fn new(address: &Address, id: &str) -> Result<Self, InvalidUrl> {
        let resp3 = |client: Client| {
            let info = client.get_connection_info().clone();
            let redis = info.redis_settings().clone().set_protocol(ProtocolVersion::RESP3);
            Client::open(info.set_redis_settings(redis)).map_err(|_| InvalidUrl::Unknown)
        };
        let nodes = address.clients()?.into_iter().map(resp3).collect::<Result<_, _>>()?;
        Ok(Self { nodes, next: 0, id: id.to_owned(), notifier: Notifier(Arc::default()), subscription: None })
    }

    /// What makes the others hear.
    #[must_use]
    pub fn notifier(&self) -> Notifier {
        self.notifier.clone()
    }

    /// Subscribes at the next node.
    async fn subscribe(&mut self) -> Result<Subscription, RedisError> {
        self.next = (self.next + 1) % self.nodes.len();
        let (sender, messages) = channel(8);
        let id = self.id.clone();
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(ECHO_TIMEOUT))
            .set_response_timeout(Some(ECHO_TIMEOUT))
            .set_push_sender(move |info: PushInfo| {
                // A full queue holds enough to wake whoever reads it.
                let _ = parse_push(&info, &id).map(|message| sender.try_send(message));
                Ok::<_, Infallible>(())
            });
        let node = &self.nodes[self.next];
        let mut connection = node.get_multiplexed_async_connection_with_config(&config).await?;
        connection.subscribe(&[CHANNEL, &echo_channel(&self.id)]).await?;
        Ok(Subscription { connection, messages })
    }
}

/// The channel that this process alone listens to.
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

    /// Returns true when another process has rung; false: the subscription is lost.
    async fn wait(&mut self, id: &str, notifier: &Notifier) -> bool {
        let mut last = Instant::now();
        loop {
            let message = tokio::select! {
                message = timeout_at(last + IDLE_BEFORE_ECHO, self.messages.recv()) => message,
                () = notifier.0.notified() => {
                    if !matches!(timeout(ECHO_TIMEOUT, self.publish(CHANNEL, id)).await, Ok(Ok(()))) {
                        // Rung again when there is a subscription.
                        notifier.notify();
                        return false;
                    }
                    continue;
                }
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

    /// Rings for itself, and answers what is message then.
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
                if subscription.wait(&self.id, &self.notifier).await {
                    return;
                }
                self.subscription = None;
                tracing::info!("wake-ups by Redis ceased; the change feed is polled meanwhile");
            }
            match timeout(2 * ECHO_TIMEOUT, self.subscribe()).await {
                Ok(Ok(subscription)) => {
                    self.subscription = Some(subscription);
                    tracing::info!("wake-ups by Redis are received again");
                    // Something may have been said before.
                    return;
                }
                _ => sleep(RESUBSCRIBE_DELAY).await,
            }
        }
    }
}
