//! Notifications over a real Redis: every other process receives them, and a subscription that ends, hangs or
//! is removed is renewed.

use std::time::Duration;

use latchkey_core::ports::ChangeNotifications as _;
use latchkey_redis::{Address, Notifier, RedisNotifications};
use latchkey_testing::{Proxy, Redis, RedisCluster, eventually_async};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::task::JoinSet;
use tokio::time::timeout;

/// Time limit above that of any wake-up.
const TEST_TIMEOUT: Duration = Duration::from_mins(3);

/// A process: its notifier, and the wake-ups that it receives.
pub(crate) struct Process {
    pub(crate) notifier: Notifier,
    received: UnboundedReceiver<()>,
    _task: JoinSet<()>,
}

impl Process {
    /// Waits until the process has subscribed.
    pub(crate) async fn at(url: &str, id: &str) -> Self {
        Self::with(&Address::parse(url, None).expect("an address"), id).await
    }

    pub(crate) async fn with(address: &Address, id: &str) -> Self {
        let mut listening = RedisNotifications::new(address, id).expect("a subscriber");
        let (notifier, (sender, received), mut task) =
            (listening.notifier(), unbounded_channel(), JoinSet::new());
        task.spawn(async move {
            loop {
                listening.next().await;
                if sender.send(()).is_err() {
                    return;
                }
            }
        });
        let mut process = Self { notifier, received, _task: task };
        process.expect_wakeup("that it has subscribed").await;
        process
    }

    pub(crate) async fn expect_wakeup(&mut self, what: &str) {
        timeout(TEST_TIMEOUT, self.received.recv()).await.expect(what).expect("the subscriber still runs");
    }

    pub(crate) fn forget(&mut self) {
        while self.received.try_recv().is_ok() {}
    }
}

#[tokio::test]
async fn a_notification_reaches_every_other_process() {
    let redis = Redis::start();
    let (mut one, mut two) = (Process::at(&redis.url(), "1").await, Process::at(&redis.url(), "2").await);
    for _ in 0..3 {
        one.notifier.notify();
        two.expect_wakeup("a notification").await;
    }
    two.notifier.notify();
    one.expect_wakeup("the other's notification").await;
    assert!(one.received.try_recv().is_err() && two.received.try_recv().is_err(), "and nothing else");
}

#[tokio::test]
async fn a_subscription_that_was_killed_is_made_again() {
    let redis = Redis::start();
    let (one, mut two) = (Process::at(&redis.url(), "1").await, Process::at(&redis.url(), "2").await);
    assert_eq!(redis.cli(&["CLIENT", "KILL", "TYPE", "pubsub"]), "2");
    two.expect_wakeup("that it has subscribed again").await;
    two.forget();
    one.notifier.notify();
    two.expect_wakeup("a notification that waited for a connection").await;
}

/// A hanging connection: nothing is closed, nothing arrives, and no error is reported.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_subscription_that_hangs_is_noticed_and_made_again() {
    let redis = Redis::start();
    let proxy = Proxy::with_keyword(redis.port(), "SUBSCRIBE");
    let through = format!("redis://127.0.0.1:{}", proxy.port());
    let (one, mut two) = (Process::at(&redis.url(), "1").await, Process::at(&through, "2").await);
    let connected = proxy.connections();
    proxy.mute(true);
    let another = async || (proxy.connections() > connected).then_some(());
    eventually_async("another connection is tried", another).await;
    proxy.mute(false);
    two.expect_wakeup("that it has subscribed again").await;
    two.forget();
    one.notifier.notify();
    two.expect_wakeup("a notification").await;
}

#[tokio::test]
async fn a_redis_that_was_restarted_is_used_again() {
    let redis = Redis::start();
    let (one, mut two) = (Process::at(&redis.url(), "1").await, Process::at(&redis.url(), "2").await);
    redis.kill();
    redis.restart();
    two.expect_wakeup("that it has subscribed again").await;
    two.forget();
    one.notifier.notify();
    two.expect_wakeup("a notification").await;
}

#[tokio::test]
async fn nodes_of_a_cluster_forward_notifications_and_replace_each_other() {
    let cluster = RedisCluster::start();
    let [a, b, _] = cluster.nodes() else { panic!("three nodes") };
    let seeds = |first: &Redis, second: &Redis| {
        format!("redis+cluster://127.0.0.1:{},127.0.0.1:{}", first.port(), second.port())
    };
    // Each begins at the second of its seeds.
    let (one, mut two) = (Process::at(&seeds(a, b), "1").await, Process::at(&seeds(b, a), "2").await);
    one.notifier.notify();
    two.expect_wakeup("a notification from another node").await;
    two.forget();
    a.freeze();
    two.expect_wakeup("that it has subscribed at the other node").await;
    two.forget();
    one.notifier.notify();
    two.expect_wakeup("a notification").await;
}
