//! A real Redis Cluster: a call's buckets in one slot or in two, all of them or none; and a node that is missing.

use std::time::Duration;

use latchkey_core::limit::suite::{charge, demand, spend};
use latchkey_core::limit::{Algorithm, Charge, Demand, Mode, Per, Spending};
use latchkey_core::time::Clock as _;
use latchkey_testing::RedisCluster;

use super::bench::{Real, Steady, admitted, left, options};

const PATIENT: Duration = Duration::from_secs(5);
const SLOW: (u64, u64, u64) = (1, 3_600, 50);

/// The same bucket of another tenant, or of an address.
fn of(demand: Demand, owner: u128) -> Demand {
    let mut of = demand;
    (of.owner, of.bucket.subject) = (owner, owner);
    of
}

/// The first tenant at or after `from` whose buckets lie on this node.
fn on_node(cluster: &RedisCluster, node: usize, from: u128) -> u128 {
    let port = cluster.nodes()[node].port();
    let there = |owner: &u128| cluster.holder(&format!("{{{owner:x}}}")).port() == port;
    (from..from + 1_000).find(there).expect("every node holds some")
}

async fn bench(cluster: &RedisCluster, mode: Mode) -> Real {
    Real::with(&options(&cluster.url(), PATIENT), mode).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replicas_share_limits_on_every_node() {
    let cluster = RedisCluster::start();
    for mode in [Mode::Exact, Mode::Leased] {
        let replicas = [bench(&cluster, mode).await, bench(&cluster, mode).await];
        for node in 0..3 {
            let owner = on_node(&cluster, node, 1_000 + mode as u128 * 1_000);
            let bucket = of(demand(&replicas[0], Per::Key, SLOW), owner);
            let tenant = Demand {
                bucket: latchkey_core::limit::BucketId { per: Per::Tenant, ..bucket.bucket },
                ..bucket
            };
            let mut passed = 0;
            for round in 0..80 {
                let replica = &replicas[round % 2];
                let spending = spend(replica, &[bucket, tenant], 1).await;
                passed += usize::from(spending.granted);
            }
            let least = if mode == Mode::Exact { 50 } else { 40 };
            assert!((least..=50).contains(&passed), "{mode:?} on node {node}: {passed}");
        }
        assert!(replicas.iter().all(|replica| replica.limiter.is_shared()));
    }
}

/// A call that draws on its tenant and on its client's address, which lie on different nodes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn buckets_that_lie_apart_are_charged_together_or_not_at_all() {
    let cluster = RedisCluster::start();
    for mode in [Mode::Exact, Mode::Leased] {
        let real = bench(&cluster, mode).await;
        let from = 5_000 + mode as u128 * 1_000;
        let (one, other) = (on_node(&cluster, 0, from), on_node(&cluster, 2, from));
        for (scarce, plenty) in [(one, other), (other, one)] {
            let scarce = of(demand(&real, Per::Key, (1, 3_600, 10)), scarce);
            let mut plenty = of(demand(&real, Per::Ip, (1, 3_600, 400)), plenty);
            plenty.bucket.per = Per::Ip;
            let mut passed = 0;
            for _ in 0..30 {
                let Spending { granted, levels } = spend(&real, &[scarce, plenty], 1).await;
                assert_eq!(levels.len(), 2);
                passed += u64::from(granted);
            }
            assert_eq!(passed, 10, "{mode:?}");
            real.limiter.give_back(true).await;
            assert_eq!(left(&real, plenty).await, 390, "{mode:?}: what a refused call took it gave back");
            assert_eq!(left(&real, scarce).await, 0, "{mode:?}");
        }
    }
}

#[tokio::test]
async fn a_window_gets_back_what_a_refused_call_took() {
    let cluster = RedisCluster::start();
    let real = bench(&cluster, Mode::Exact).await;
    let (one, other) = (on_node(&cluster, 0, 9_000), on_node(&cluster, 1, 9_000));
    let window = |owner, limit| {
        let of = of(demand(&real, Per::Key, limit), owner);
        Demand { algorithm: Algorithm::FixedWindow, ..of }
    };
    let (scarce, plenty) = (window(other, (3, 3_600, 3)), window(one, (100, 3_600, 100)));
    for _ in 0..9 {
        let _ = spend(&real, &[plenty, scarce], 1).await;
    }
    assert_eq!((left(&real, plenty).await, left(&real, scarce).await), (97, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_is_gone_costs_its_own_tenants_a_few_calls_and_nobody_an_answer() {
    let cluster = RedisCluster::start();
    let real = Real::with(&options(&cluster.url(), Duration::from_millis(50)), Mode::Exact).await;
    let bucket = |node| of(demand(&real, Per::Key, SLOW), on_node(&cluster, node, 20_000));
    let (here, there) = (bucket(1), bucket(2));
    assert_eq!(admitted(&real, here, 10).await + admitted(&real, there, 10).await, 20);
    cluster.nodes()[2].freeze();
    assert_eq!(admitted(&real, there, 60).await, 40, "counted in the process from the level last heard");
    let asked = real.limiter.asked();
    assert_eq!(admitted(&real, here, 60).await, 40, "the other nodes count on");
    assert!(real.limiter.asked() >= asked + 60, "by asking");
    cluster.nodes()[2].thaw();
    let heard = async {
        loop {
            let asked = real.limiter.asked();
            let look = charge(&*real.limiter, &[there], Charge { cost: 1, look: true }, Steady.now()).await;
            if real.limiter.asked() > asked && look.levels[0].remaining > 0 {
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    // Redis itself has counted ten calls and whatever came too late; the process fifty.
    tokio::time::timeout(Duration::from_secs(20), heard).await.expect("it is asked again");
}
