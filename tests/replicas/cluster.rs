//! Three replicas with their stores, and the faults that tests cause.

use std::time::Duration;

use latchkey_proto::v1::{CheckRequest, Decision, RevokeKeyRequest};
use latchkey_testing::{
    Caller, Latchkey, Postgres, Proxy, Redis, Setup, answered, eventually, eventually_async, key,
    patiently_async,
};
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

/// A product with limits of both kinds, one that is not refilled during a test, and one that no test reaches.
pub(crate) const PROFILE: &str = r#"
name = "cluster"
unmatched_routes = "authenticate"
[credential]
sources = ["header:x-api-key"]
[[kinds]]
name = "secret"
default = true
prefixes = { live = "town_live_" }
default_scopes = ["read"]
secret = "hex:32"
[[scopes]]
name = "read"
[jwt]
issuer = "https://cluster.test"
audience = "cluster"
ttl = "1h"
refresh_ttl = "30d"
issue_rate = "1000000/min"
refresh_rate = "1000000/min"
[rate_limits]
default = []
exact = [{ per = "key", rate = "20/s", burst = 30 }, { per = "tenant", rate = "1000000/s" }]
scarce = [{ per = "key", rate = "30/h", burst = 30 }]
leased = [{ per = "key", rate = "300/s", burst = 300 }]
"#;

pub(crate) const LEASE: Duration = Duration::from_secs(1);

/// Settings of a replica that a busy machine does not keep from deciding, for tests that are not about outages.
pub(crate) fn patient() -> Vec<(&'static str, String)> {
    [
        ("LATCHKEY_CACHE_LEASE", "60s"),
        ("LATCHKEY_CHECK_DEADLINE", "5s"),
        ("LATCHKEY_DATABASE_DEADLINE", "30s"),
        ("LATCHKEY_REDIS_DEADLINE", "1s"),
    ]
    .map(|(name, value)| (name, value.to_owned()))
    .to_vec()
}

/// A replica, with the proxies to its stores.
pub(crate) struct Replica {
    pub(crate) latchkey: Latchkey,
    pub(crate) to_database: Proxy,
    pub(crate) to_redis: Proxy,
}

impl Replica {
    fn new(database: &str, (postgres, redis): (&Postgres, &Redis), more: &[(&str, &str)]) -> Self {
        let to_database = Proxy::with_keyword(postgres.port(), "LISTEN");
        let to_redis = Proxy::with_keyword(redis.port(), "SUBSCRIBE");
        let setup = Setup::default()
            .default_deadlines()
            .database(&postgres.through(to_database.port(), database))
            .environment("LATCHKEY_REDIS_URL", &format!("redis://127.0.0.1:{}", to_redis.port()))
            .environment("LATCHKEY_CACHE_LEASE", &format!("{}ms", LEASE.as_millis()))
            .environment("RUST_LOG", "info,latchkey_redis=debug")
            .profile("cluster", PROFILE);
        let setup = more.iter().fold(setup, |setup, (name, value)| setup.environment(name, value));
        Self { latchkey: setup.launch(), to_database, to_redis }
    }
}

/// Three replicas and a tenant, `acme`.
pub(crate) struct Cluster {
    pub(crate) postgres: Postgres,
    pub(crate) redis: Redis,
    pub(crate) replicas: Vec<Replica>,
    pub(crate) operators: Vec<Caller>,
}

impl Cluster {
    pub(crate) async fn start() -> Self {
        Self::with(|_| Vec::new()).await
    }

    /// Starts a cluster with further settings, for each replica by its number.
    pub(crate) async fn with(more: impl Fn(usize) -> Vec<(&'static str, String)>) -> Self {
        Self::on(Postgres::start(), more).await
    }

    /// Starts a cluster on a PostgreSQL of the test's own.
    pub(crate) async fn on(postgres: Postgres, more: impl Fn(usize) -> Vec<(&'static str, String)>) -> Self {
        let (redis, database) = (Redis::start(), postgres.database());
        let replica = |number| {
            let more = more(number);
            let more: Vec<(&str, &str)> = more.iter().map(|(name, value)| (*name, value.as_str())).collect();
            Replica::new(&database, (&postgres, &redis), &more)
        };
        let replicas: Vec<Replica> = (0..3).map(replica).collect();
        for replica in &replicas {
            replica.latchkey.ready();
        }
        let operators: Vec<Caller> = replicas.iter().map(|replica| replica.latchkey.operator()).collect();
        create_acme(&operators[0]).await;
        Self { postgres, redis, replicas, operators }
    }

    /// Runs SQL that bypasses the program, as a person with the database's password can.
    pub(crate) fn sql(&self, statements: &str) -> String {
        self.postgres.sql(&self.postgres.url("test_0"), statements)
    }

    /// Creates a key; returns its identifier and value.
    pub(crate) async fn key(&self) -> (String, String) {
        // A busy machine may miss the deadline of a write.
        eventually_async("a key is made", async || {
            match self.operators[0].try_key(key("acme", "live")).await {
                Ok((made, value)) => Some((made.id, value)),
                Err(status) => {
                    assert_eq!(status.code(), Code::Unavailable, "{status:?}");
                    None
                }
            }
        })
        .await
    }

    /// Revokes a key through a replica, as often as it takes: a busy machine may miss the deadline of a write, and after
    /// a failover the first calls may meet sessions of the old primary.
    pub(crate) async fn revoke(&self, through: usize, id: &str) {
        eventually_async("the key is revoked", async || {
            let ask = RevokeKeyRequest { id: id.to_owned(), reason: String::new() };
            self.operators[through].keys().revoke_key(ask).await.ok()
        })
        .await;
    }

    /// Waits until every replica admits a key.
    pub(crate) async fn admitted_everywhere(&self, value: &str) {
        for operator in &self.operators {
            let admitted = async || (allows(operator, ask(value)).await == Ok(true)).then_some(());
            eventually_async("the key is admitted", admitted).await;
        }
    }

    /// Returns the number of log lines with a text, on all replicas.
    pub(crate) fn logged(&self, words: &str) -> u64 {
        let times = |replica: &Replica| replica.latchkey.log().matches(words).count();
        self.replicas.iter().map(times).sum::<usize>() as u64
    }

    /// Waits until a replica has logged a text this many times.
    pub(crate) fn wait_for_log(&self, replica: usize, words: &str, times: usize) {
        let said = || self.replicas[replica].latchkey.log().matches(words).count() >= times;
        eventually(words, || said().then_some(()));
    }
}

/// Creates the tenant. A busy machine may miss the deadline of a write, whether or not it is committed.
async fn create_acme(operator: &Caller) {
    eventually_async("a tenant is made", async || {
        match operator.try_tenant("acme", "cluster", "").await.map_err(|status| status.code()) {
            Ok(_) | Err(Code::AlreadyExists) => Some(()),
            Err(code) => {
                assert_eq!(code, Code::Unavailable);
                None
            }
        }
    })
    .await;
}

/// Asserts that the status is an outage with the time to retry.
#[track_caller]
pub(crate) fn assert_outage(status: &Status) {
    assert_eq!(status.code(), Code::Unavailable, "{status:?}");
    assert!(status.get_details_retry_info().is_some(), "{status:?}");
}

/// Sends Checks of a cached key until the lease has expired, and asserts that none is denied. Returns the first
/// error.
pub(crate) async fn outage_after_the_lease(caller: &Caller, known: &str, time: Duration) -> Status {
    patiently_async("the lease runs out", time, async || match allows(caller, ask(known)).await {
        Ok(allowed) => {
            assert!(allowed, "an outage is no denial");
            None
        }
        Err(status) => Some(status.0),
    })
    .await
}

/// Returns a Check of the scopes alone.
pub(crate) fn ask(value: &str) -> CheckRequest {
    CheckRequest {
        credential: value.to_owned(),
        profile: "cluster".to_owned(),
        scopes_only: true,
        ..CheckRequest::default()
    }
}

/// Returns true if a replica allows a call; an error if it cannot decide.
pub(crate) async fn allows(caller: &Caller, ask: CheckRequest) -> Result<bool, CheckError> {
    let answer = caller.checks().check(ask).await.map_err(CheckError)?;
    Ok(answer.into_inner().decision() == Decision::Allow)
}

/// Returns whether a replica allows a call, which is repeated until there is a decision. On a busy machine, a replica can
/// lose a lease of a second or miss the deadline of a look-up.
pub(crate) async fn decides(caller: &Caller, ask: CheckRequest) -> bool {
    let decision = answered(|| async { allows(caller, ask.clone()).await.map_err(|error| error.0) });
    decision.await.expect("a Check is decided")
}

/// Error of a call without a decision.
#[derive(Debug)]
pub(crate) struct CheckError(pub(crate) Status);

impl PartialEq for CheckError {
    fn eq(&self, other: &Self) -> bool {
        self.0.code() == other.0.code()
    }
}

/// Returns the number of rounds: few by default, or the value of an environment variable.
pub(crate) fn rounds(few: usize) -> usize {
    #[expect(clippy::disallowed_methods, reason = "the duration of a test is an environment variable")]
    let output = std::env::var("LATCHKEY_TEST_ROUNDS").ok();
    output.and_then(|output| output.parse().ok()).unwrap_or(few)
}
