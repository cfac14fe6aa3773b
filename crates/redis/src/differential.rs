//! Differential test: `charge.lua` on a real Redis against core's limiter in the process. Both get the same random
//! sequence of charges, changes of limits and steps of the clock, and must give the same answers. The time is an
//! argument of the script here. `LATCHKEY_TEST_ROUNDS=100` runs a hundred times as many sequences.

mod accounts;

use std::cell::Cell;
use std::time::Duration;

use latchkey_core::limit::local::LocalLimiter;
use latchkey_core::limit::{
    BucketAlgorithm, BucketCharge, BucketId, BucketOwner, ChargeCondition, ChargeOptions, CountingMode,
    Levels, Limit, RuleId, sort_tightest_first,
};
use latchkey_core::time::MonotonicInstant;
use latchkey_testing::Redis;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use redis::Script;
use redis::aio::MultiplexedConnection;
use tokio::runtime::{Builder, Runtime};

use crate::wire::{self, BucketOp, LeasedTokens, Reply};

/// Start of all sequences, in microseconds.
const BEGIN: u64 = 1_700_000_000_000_000;

/// Rounds of this number of sequences.
fn cases(few: u32) -> ProptestConfig {
    #[expect(clippy::disallowed_methods, reason = "the length of the test is configurable")]
    let rounds = std::env::var("LATCHKEY_TEST_ROUNDS").ok().and_then(|text| text.parse().ok());
    ProptestConfig {
        cases: few * rounds.unwrap_or(1),
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

/// The script with the time as its last argument. Its keys outlive the test, in which hours pass in milliseconds.
struct Server {
    runtime: Runtime,
    connection: MultiplexedConnection,
    hash: String,
    subjects: Cell<u128>,
    _redis: Redis,
}

impl Server {
    fn start() -> Self {
        let redis = Redis::start();
        let text = wire::SCRIPT
            .replace("local clock = redis.call('TIME')", "local clock = { 0, ARGV[#ARGV] }")
            .replace("'PX', life", "'PX', 3600000");
        assert!(!text.contains("'TIME'") && text.contains("3600000"));
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let (connection, hash) = runtime.block_on(async {
            let client = redis::Client::open(redis.url()).unwrap();
            let mut connection = client.get_multiplexed_async_connection().await.unwrap();
            let hash = Script::new(&text).prepare_invoke().load_async(&mut connection).await.unwrap();
            (connection, hash)
        });
        Self { runtime, connection, hash, subjects: Cell::new(0), _redis: redis }
    }

    /// Returns the subject of a bucket that no other sequence has.
    fn subject(&self) -> u128 {
        self.subjects.replace(self.subjects.get() + 1)
    }

    fn run(&self, operations: &[(BucketCharge, BucketOp)], cost: u32, look: bool, now: u64) -> Reply {
        let mut command = wire::command("EVALSHA", &self.hash, operations, cost, look);
        command.arg(now);
        let numbers: Vec<i64> = self
            .runtime
            .block_on(command.query_async(&mut self.connection.clone()))
            .expect("the script runs");
        wire::parse_reply(operations, &numbers).expect("the response is complete")
    }
}

/// A limit and an algorithm.
fn limits() -> impl Strategy<Value = (Limit, BucketAlgorithm)> {
    let tokens = prop_oneof![5 => 1..20u64, 2 => 1..100_000u64, 1 => Just(1_000_000_000_000u64), 1 => Just(999_999_999_989)];
    let seconds = prop_oneof![Just(1u64), Just(7), Just(60), Just(3_600), Just(2_678_400)];
    let burst = prop_oneof![3 => 1..30u64, 1 => 1..100_000u64, 1 => Just(1_000_000_000_000u64)];
    let algorithm = prop_oneof![
        Just(BucketAlgorithm::TokenBucket),
        Just(BucketAlgorithm::FixedWindow),
        Just(BucketAlgorithm::SlidingWindow)
    ];
    (tokens, seconds, burst, algorithm).prop_map(|(tokens, seconds, burst, algorithm)| {
        let burst = (algorithm == BucketAlgorithm::TokenBucket).then_some(burst);
        (Limit { tokens, period: Duration::from_secs(seconds), burst }, algorithm)
    })
}

/// A call: the microseconds since the last one, its cost, which limits apply, and whether it only looks.
type Call = (u64, u32, Vec<prop::sample::Index>, bool);

fn calls() -> impl Strategy<Value = Vec<Call>> {
    let pause = prop_oneof![
        4 => Just(0u64), 4 => 0..2_000_000u64, 2 => 0..70_000_000u64, 1 => 0..4_000_000_000u64,
        1 => 0..3_000_000_000_000u64
    ];
    let cost = prop_oneof![6 => Just(1u32), 3 => 0..30u32, 1 => any::<u32>(), 1 => Just(u32::MAX)];
    let applying = prop::collection::vec(any::<prop::sample::Index>(), 1..3);
    prop::collection::vec((pause, cost, applying, prop::bool::weighted(0.1)), 1..80)
}

fn charge(
    subject: u128,
    rule: usize,
    (limit, algorithm): (Limit, BucketAlgorithm),
    mode: CountingMode,
) -> BucketCharge {
    let rule = RuleId(u32::try_from(rule).unwrap_or_default());
    let bucket =
        BucketId { per: BucketOwner::Key, when: ChargeCondition::Allowed, subject, class_hash: 1, rule };
    BucketCharge { bucket, limit, algorithm, mode, shard_key: subject }
}

#[test]
fn the_script_answers_as_the_limiter_of_the_process() {
    let server = Server::start();
    // Few limits apply in turn, so that buckets meet the same one again; or more than a bucket has accounts for.
    let few_or_many = prop_oneof![
        3 => prop::collection::vec(limits(), 1..4),
        1 => prop::collection::vec(limits(), 4..16),
    ];
    let strategy = (few_or_many, calls());
    TestRunner::new(cases(200))
        .run(&strategy, |(limits, calls)| {
            let subject = server.subject();
            let (local, mut now) = (LocalLimiter::new(), BEGIN);
            for (pause, cost, applying, look) in calls {
                now += pause;
                let charges: Vec<BucketCharge> = applying
                    .iter()
                    .enumerate()
                    .map(|(rule, index)| charge(subject, rule, *index.get(&limits), CountingMode::Exact))
                    .collect();
                let operations: Vec<_> = charges.iter().map(|charge| (*charge, BucketOp::Exact)).collect();
                let reply = server.run(&operations, cost, look, now);
                let mut theirs: Levels = charges
                    .iter()
                    .zip(&reply.states)
                    .map(|(charge, state)| state.level(charge, 0, cost.into()))
                    .collect();
                sort_tightest_first(&mut theirs);
                let options = ChargeOptions { cost, dry_run: look };
                let mut ours = Levels::new();
                let granted = local.charge_now(&charges, options, MonotonicInstant(now * 1_000), &mut ours);
                prop_assert_eq!((reply.granted, theirs), (granted, ours));
            }
            Ok(())
        })
        .unwrap();
}

/// A replica with a lease, as it spends it.
#[derive(Clone, Copy, Default)]
struct Holder {
    lease: LeasedTokens,
    until: u64,
}

/// A step of one of three replicas: the pause before it, which replica, and its action.
#[derive(Clone, Copy, Debug)]
enum Action {
    Refill(u32, u64),
    Spend(u64),
    Return,
    Charge(u32),
    /// The replica ends, and its lease with it.
    End,
}

fn actions() -> impl Strategy<Value = Vec<(u64, usize, Action)>> {
    let action = prop_oneof![
        4 => (0..4u32, 1..20u64).prop_map(|(cost, want)| Action::Refill(cost, want.max(cost.into()))),
        6 => (1..5u64).prop_map(Action::Spend),
        1 => Just(Action::Return),
        2 => (0..5u32).prop_map(Action::Charge),
        1 => Just(Action::End),
    ];
    let pause = prop_oneof![4 => Just(0u64), 4 => 0..500_000u64, 2 => 0..9_000_000u64];
    prop::collection::vec((pause, 0..3usize, action), 1..120)
}

#[test]
fn leases_of_several_replicas_admit_no_more_than_one_bucket() {
    let server = Server::start();
    let strategy = ((1..60u64, 1..9u64, prop::option::of(1..40u64)), actions());
    TestRunner::new(cases(150))
        .run(&strategy, |((tokens, seconds, burst), actions)| {
            let subject = server.subject();
            let limit = Limit { tokens, period: Duration::from_secs(seconds), burst };
            let algorithm = BucketAlgorithm::default().with_limit(limit);
            let bucket = charge(subject, 0, (limit, algorithm), CountingMode::Leased);
            let (mut now, mut holders) = (BEGIN, [Holder::default(); 3]);
            let mut spent: Vec<(u64, u64)> = Vec::new();
            for (pause, replica, action) in actions {
                now += pause;
                let holder = &mut holders[replica];
                match action {
                    Action::Refill(cost, want) => {
                        let held = std::mem::take(&mut holder.lease);
                        let reply = server.run(&[(bucket, BucketOp::Lease(held, want))], cost, false, now);
                        let state = reply.states[0];
                        let micros = u64::try_from(state.life.as_micros()).unwrap();
                        *holder = Holder { lease: state.lease, until: now + micros };
                        spent.extend(reply.granted.then_some((now, u64::from(cost))));
                    }
                    Action::Spend(tokens) if now < holder.until && tokens <= holder.lease.left => {
                        holder.lease.left -= tokens;
                        holder.lease.used += tokens;
                        spent.push((now, tokens));
                    }
                    Action::Spend(_) => {}
                    Action::Return => {
                        let held = std::mem::take(&mut holder.lease);
                        server.run(&[(bucket, BucketOp::Return(held))], 0, false, now);
                    }
                    Action::Charge(cost) => {
                        let reply = server.run(&[(bucket, BucketOp::Exact)], cost, false, now);
                        spent.extend(reply.granted.then_some((now, u64::from(cost))));
                    }
                    Action::End => *holder = Holder::default(),
                }
                for begin in spent.iter().map(|(at, _)| *at) {
                    let within =
                        |at: u64| begin <= at && (burst.is_some() || at < begin + seconds * 1_000_000);
                    let sum: u64 = spent.iter().filter(|(at, _)| within(*at)).map(|(_, tokens)| tokens).sum();
                    let refilled = burst.map_or(0, |_| tokens * (now - begin) / (seconds * 1_000_000));
                    let most = burst.unwrap_or(tokens) + refilled;
                    prop_assert!(sum <= most, "{sum} admitted since {begin}, and {most} allowed");
                }
            }
            Ok(())
        })
        .unwrap();
}

#[test]
fn a_fixed_window_that_an_earlier_version_wrote_goes_on() {
    let server = Server::start();
    let subject = server.subject();
    let window = |tokens, seconds| {
        let limit = Limit { tokens, period: Duration::from_secs(seconds), burst: None };
        charge(subject, 0, (limit, BucketAlgorithm::FixedWindow), CountingMode::Exact)
    };
    let (day, second, epoch) = (window(30, 86_400), 1_000_000, BEGIN / 2_000_000);
    let written = format!("1 6 0 {BEGIN} 86400000000 30 86400000000 {BEGIN} {epoch} 0 0");
    let mut set = redis::cmd("SET");
    let set = set.arg(crate::key::of(&day)).arg(written);
    server.runtime.block_on(set.exec_async(&mut server.connection.clone())).expect("it is stored");
    let left = |bucket: BucketCharge, cost, now| {
        let reply = server.run(&[(bucket, BucketOp::Exact)], cost, false, now);
        reply.granted.then(|| reply.states[0].level(&bucket, 0, cost.into()).remaining)
    };
    assert_eq!(left(day, 1, BEGIN + second), Some(23));
    assert_eq!(left(window(5, 5), 1, BEGIN + 2 * second), None, "the window of five seconds has seven calls");
    assert_eq!(left(window(5, 5), 2, BEGIN + 5 * second), Some(3));
    assert_eq!(left(day, 0, BEGIN + 5 * second), Some(21));
    assert_eq!(left(day, 30, BEGIN + 86_400 * second), Some(0), "the day is over");
}
