//! Acknowledged writes survive every way in which the process can end.

use latchkey_proto::v1::{CheckRequest, Decision};
use latchkey_testing::{Database, Postgres, Signal, eventually, on_both};
use tonic::Code;

use crate::{SHOP, Shop, refused, with_rate};

on_both!(
    acknowledged_writes_survive_a_kill,
    a_term_ends_the_process_in_good_order,
    live_and_ready_are_distinguished,
    the_operators_key_stays_the_same,
);

async fn acknowledged_writes_survive_a_kill(database: Database) {
    let shop = Shop::open(database).await;
    let (_, kept) = shop.operator.plain_key("acme", "live").await;
    let (revoked, gone) = shop.operator.plain_key("acme", "live").await;
    shop.operator.apply(&with_rate("200/min")).await.expect("applied");
    let _ = shop.operator.revoke(&revoked.id).await;
    let (_, last) = shop.operator.plain_key("bank", "live").await;
    shop.latchkey.kill();
    shop.latchkey.restart();
    assert!(shop.admits(&kept).await && shop.admits(&last).await && !shop.admits(&gone).await);
    let ask = CheckRequest { credential: kept, cost: Some(0), scopes_only: true, ..CheckRequest::default() };
    let answer = shop.operator.check(ask).await;
    // Either the file of the start is applied again, or the newest stored version stays in force.
    assert!([100, 200].contains(&answer.rate_limits[0].limit), "{answer:?}");
}

async fn a_term_ends_the_process_in_good_order(database: Database) {
    let shop = Shop::open(database).await;
    let (_, value) = shop.operator.plain_key("acme", "live").await;
    shop.latchkey.signal(Signal::TERM);
    assert_eq!(shop.latchkey.wait().code(), Some(0), "{}", shop.latchkey.log());
    let refused = shop.latchkey.anonymous().checks().check(CheckRequest::default()).await;
    assert_eq!(refused.expect_err("nobody listens").code(), Code::Unavailable);
    shop.latchkey.restart();
    assert!(shop.admits(&value).await);
}

async fn live_and_ready_are_distinguished(database: Database) {
    let shop = Shop::open(database).await;
    for page in ["/livez", "/readyz"] {
        assert_eq!(shop.latchkey.page(page).status, 200, "{page}");
    }
    assert_eq!(shop.latchkey.page("/nonsense").status, 404);
}

async fn the_operators_key_stays_the_same(database: Database) {
    let shop = Shop::open(database).await;
    for _ in 0..2 {
        shop.latchkey.kill();
        shop.latchkey.restart();
        let _ = shop.operator.plain_key("acme", "live").await;
    }
    assert!(!shop.latchkey.log().contains(latchkey_testing::ROOT_KEY));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_its_database_it_is_alive_and_becomes_ready_later() {
    let postgres = Postgres::start();
    let url = postgres.database();
    postgres.stop();
    let latchkey = latchkey_testing::Setup::default().database(&url).profile("shop", SHOP).launch();
    eventually("it is alive", || (latchkey.page("/livez").status == 200).then_some(()));
    assert_eq!(latchkey.page("/readyz").status, 503);
    let caller = latchkey.operator();
    let answer = caller.checks().check(CheckRequest::default()).await;
    assert_eq!(answer.expect_err("not ready").code(), Code::Unavailable);
    assert!(latchkey.ended().is_none(), "{}", latchkey.log());
    postgres.restart();
    latchkey.ready();
    let _ = caller.tenant("acme", "shop", "").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_of_the_database_is_no_denial_and_passes() {
    let postgres = Postgres::start();
    let latchkey = latchkey_testing::Setup::default().database(&postgres.database()).profile("shop", SHOP);
    let latchkey = latchkey.environment("LATCHKEY_CACHE_LEASE", "8s");
    let latchkey = latchkey.environment("LATCHKEY_DATABASE_DEADLINE", "10s").start();
    let operator = latchkey.operator();
    let _ = operator.tenant("acme", "shop", "").await;
    let (_, known) = operator.plain_key("acme", "live").await;
    let (_, fresh) = operator.plain_key("acme", "live").await;
    let ask = |value: &str| CheckRequest {
        credential: value.to_owned(),
        dry_run: true,
        scopes_only: true,
        ..CheckRequest::default()
    };
    assert_eq!(operator.check(ask(&known)).await.decision(), Decision::Allow);
    postgres.freeze();
    // A Check of a key that isn't cached is an outage, never a denial.
    let answer = operator.checks().check(ask(&fresh)).await;
    assert_eq!(refused(answer), Code::Unavailable);
    let answer = operator.try_key(latchkey_testing::key("acme", "live")).await;
    assert_eq!(refused(answer), Code::Unavailable);
    let runtime = tokio::runtime::Handle::current();
    let reason = |value: &str| {
        runtime.block_on(operator.checks().check(ask(value))).map(|a| a.into_inner().decision())
    };
    tokio::task::block_in_place(|| {
        let what = "memory is no longer trusted";
        let code = eventually(what, || reason(&known).err().map(|status| status.code()));
        assert_eq!(code, Code::Unavailable);
        postgres.thaw();
        for value in [&known, &fresh] {
            let decision = eventually("it is back without a restart", || reason(value).ok());
            assert_eq!(decision, Decision::Allow);
        }
    });
}
