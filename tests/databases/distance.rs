//! Duration of calls with a network delay to the database, and a limit with a network delay to Redis. It is run
//! manually, and prints the tables of docs/databases.md and docs/redis.md.
//!
//! `cargo test --workspace --test databases -- --ignored --nocapture distance`

#![expect(clippy::print_stdout, reason = "the tables are the result")]

use std::time::Duration;

use latchkey_proto::v1::{CheckRequest, RefreshJwtRequest, RevokeKeyRequest};
use latchkey_testing::{
    Caller, Direction, Latchkey, Postgres, Proxy, Redis, SHOP, Setup, answered, eventually_async, key,
    replace_once, with_key,
};
use tokio::time::Instant;

use crate::program::{printed, run};

/// Delays in milliseconds, each way.
const DELAYS: [u64; 5] = [0, 1, 10, 40, 100];
/// Number of calls of each kind.
const CALLS: usize = 7;
/// Returns the profile, with a limit that is counted exactly.
fn profile() -> String {
    replace_once(SHOP, "10000/min", "1000/min")
}

fn delay(proxy: &Proxy, millis: u64) {
    for direction in [Direction::Up, Direction::Down] {
        proxy.delay(direction, Duration::from_millis(millis));
    }
}

/// Durations of calls, and the number of calls that failed.
#[derive(Default)]
struct Durations(Vec<Duration>, usize);

impl Durations {
    async fn measure<T>(&mut self, call: impl Future<Output = Result<T, tonic::Status>>) -> Option<T> {
        let start = Instant::now();
        let result = call.await;
        let passed = start.elapsed();
        match result {
            Ok(value) => {
                self.0.push(passed);
                Some(value)
            }
            Err(status) => {
                println!("    {status:?} after {passed:?}");
                self.1 += 1;
                None
            }
        }
    }

    /// Returns the median and the fastest in milliseconds, and the failures. The fastest call used a connection whose
    /// statements were prepared already.
    fn text(&mut self) -> String {
        self.0.sort_unstable();
        let (median, fastest) = (self.0.get(self.0.len() / 2), self.0.first());
        let figures = median.zip(fastest).map_or("-".to_owned(), |(median, fastest)| {
            format!("{}, {}", median.as_millis(), fastest.as_millis())
        });
        if self.1 == 0 {
            figures
        } else {
            format!("{figures} ({} of {} failed)", self.1, self.0.len() + self.1)
        }
    }
}

async fn check(caller: &Caller, value: &str) -> Result<(), tonic::Status> {
    let ask =
        CheckRequest { credential: value.to_owned(), profile: "shop".to_owned(), ..CheckRequest::default() };
    caller.checks().check(ask).await.map(drop)
}

/// Calls a replica, and returns a row of the table.
async fn row(far: &Latchkey, values: &[String]) -> String {
    let operator = far.operator();
    let mut kinds: [Durations; 5] = Default::default();
    let [checks, creations, issues, refreshes, revocations] = &mut kinds;
    for value in values {
        checks.measure(check(&operator, value)).await;
    }
    for value in values {
        let Some((made, _)) = creations.measure(operator.try_key(key("acme", "live"))).await else {
            continue;
        };
        let mut tokens = far.anonymous().tokens();
        if let Some(issued) = issues.measure(tokens.issue_jwt(with_key(value))).await {
            let refresh_token = issued.into_inner().refresh_token;
            let ask = RefreshJwtRequest { refresh_token, ..RefreshJwtRequest::default() };
            refreshes.measure(tokens.refresh_jwt(ask)).await;
        }
        let ask = RevokeKeyRequest { id: made.id, reason: String::new() };
        revocations.measure(operator.keys().revoke_key(ask)).await;
    }
    kinds.each_mut().map(Durations::text).join(" | ")
}

/// Starts a replica with the default deadlines and one with a longer one of Checks, creates keys, and then delays the
/// database so much that a query takes longer than a whole Check by default. Returns the keys and a token of the last one.
async fn far_replicas() -> (Postgres, Proxy, [Latchkey; 2], Vec<String>) {
    let postgres = Postgres::start();
    let url = postgres.database();
    let proxy = Proxy::to(postgres.port());
    let setup = Setup::default().default_deadlines();
    let setup = setup.database(&postgres.through(proxy.port(), &url)).profile("shop", &profile());
    let usual = setup.clone().start();
    let patient = setup.environment("LATCHKEY_CHECK_DEADLINE", "5s").start();
    let operator = usual.operator();
    let made = answered(|| async { operator.try_tenant("acme", "shop", "").await }).await;
    let _ = made.expect("a tenant is made");
    let mut values = Vec::new();
    for _ in 0..3 {
        let made = answered(|| async { operator.try_key(key("acme", "live")).await }).await;
        values.push(made.expect("a key is made").1);
    }
    let issued =
        answered(|| async { patient.anonymous().tokens().issue_jwt(with_key(&values[2])).await }).await;
    values.push(issued.expect("a token is issued").into_inner().access_token);
    delay(&proxy, 150);
    (postgres, proxy, [usual, patient], values)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_longer_deadline_lets_first_checks_pass_far_from_the_database() {
    let (_postgres, _proxy, [usual, patient], values) = far_replicas().await;
    let refused =
        check(&usual.operator(), &values[0]).await.expect_err("its query takes longer than the whole Check");
    assert_eq!(refused.code(), tonic::Code::Unavailable, "{refused:?}");
    check(&patient.operator(), &values[1]).await.expect("a decision");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_late_result_is_cached_for_the_next_check() {
    let (_postgres, _proxy, [usual, _patient], values) = far_replicas().await;
    let operator = usual.operator();
    for credential in [&values[0], &values[3]] {
        check(&operator, credential).await.expect_err("its query takes longer than the whole Check");
        let passes = async || check(&operator, credential).await.ok();
        eventually_async("a later Check finds it in the cache", passes).await;
        check(&operator, credential).await.expect("it stays in the cache");
    }
    let unknown = "sk_live_00000000000000000000000000000000";
    let denied = async || check(&operator, unknown).await.ok();
    eventually_async("an unknown key is denied", denied).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "prints a table that depends on the machine"]
async fn distance_from_the_database() {
    println!(
        "| delay each way | start to ready | first Check | CreateKey | IssueJwt | RefreshJwt | RevokeKey |"
    );
    for millis in DELAYS {
        let postgres = Postgres::start();
        let url = postgres.database();
        let up = run(&["migrate", "up"], &url, &[]);
        assert!(up.status.success(), "{}", printed(&up));
        let near = Setup::default().database(&url).profile("shop", &profile()).start();
        let operator = near.operator();
        eventually_async("a tenant", async || operator.try_tenant("acme", "shop", "").await.ok()).await;
        let mut values = Vec::new();
        for _ in 0..CALLS {
            values.push(operator.try_key(key("acme", "live")).await.expect("a key").1);
        }
        near.kill();
        let proxy = Proxy::to(postgres.port());
        delay(&proxy, millis);
        let start = Instant::now();
        let setup = Setup::default().database(&postgres.through(proxy.port(), &url));
        let (deadline, of_check) = if millis < 60 { ("2s", "150ms") } else { ("10s", "400ms") };
        let setup = setup.environment("LATCHKEY_CHECK_DEADLINE", of_check);
        let far = setup.environment("LATCHKEY_DATABASE_DEADLINE", deadline).start();
        let ready = start.elapsed().as_millis();
        println!("| {millis} ms | {ready} | {} |", row(&far, &values).await);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "prints a table that depends on the machine"]
async fn distance_from_redis() {
    println!("| delay each way | Check with a limit | requests to Redis |");
    let redis = Redis::start();
    for millis in DELAYS {
        let proxy = Proxy::to(redis.port());
        delay(&proxy, millis);
        let url = format!("redis://127.0.0.1:{}", proxy.port());
        let latchkey =
            Setup::default().profile("shop", &profile()).environment("LATCHKEY_REDIS_URL", &url).start();
        let operator = latchkey.operator();
        let _ = operator.tenant("acme", "shop", "").await;
        let value = operator.try_key(key("acme", "live")).await.expect("a key").1;
        tokio::time::sleep(Duration::from_secs(2)).await;
        let mut checks = Durations::default();
        for _ in 0..50 {
            checks.measure(check(&operator, &value)).await;
        }
        let page = latchkey.page("/metrics").body;
        let counts =
            page.lines().filter(|line| line.starts_with("latchkey_redis_") && line.contains("_total"));
        println!("| {millis} ms | {} | {} |", checks.text(), counts.collect::<Vec<_>>().join(", "));
    }
}
