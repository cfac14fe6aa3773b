//! Queries to the database: each counted once, by operation and outcome, and none on a cache hit.

use latchkey_proto::v1::{CreateTenantRequest, GetKeyRequest, GetKeyUsageRequest, ListKeysRequest};
use latchkey_testing::{Postgres, Setup, call, eventually, eventually_async};
use tonic::Code;

use crate::Shop;
use crate::scrape::Scrape;

const QUERY_COUNT: &str = "latchkey_database_query_duration_seconds_count";

fn query_count(shop: &Shop, operation: &str, outcome: &str) -> u64 {
    Scrape::of(&shop.latchkey).count(QUERY_COUNT, &[("operation", operation), ("outcome", outcome)])
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_asked_for_once_and_not_at_all_once_it_is_remembered() {
    let shop = Shop::open(Setup::default()).await;
    let (_, value) = shop.key("acme").await;
    let (_, stranger) = Shop::open(Setup::default()).await.key("acme").await;
    let before = Scrape::of(&shop.latchkey);
    for (value, queries) in [(&value, 1), (&stranger, 2)] {
        for _ in 0..100 {
            let _ = shop.check(value, "GET").await;
            let _ = shop.check(value, "POST").await;
        }
        let scrape = Scrape::of(&shop.latchkey);
        let more =
            |labels: &[(&str, &str)]| scrape.count(QUERY_COUNT, labels) - before.count(QUERY_COUNT, labels);
        assert_eq!(more(&[("operation", "find_key"), ("outcome", "ok"), ("system", "sqlite")]), queries);
        assert_eq!(more(&[("operation", "find_key")]), queries, "and by no other name");
        for operation in ["find_user", "find_family", "read", "list", "write", "login", "token"] {
            assert_eq!(more(&[("operation", operation)]), 0, "{operation}");
        }
    }
    for _ in 0..100 {
        let _ = shop.check("nonsense", "GET").await;
        let _ = shop.check("", "GET").await;
    }
    assert_eq!(
        query_count(&shop, "find_key", "ok"),
        before.count(QUERY_COUNT, &[("operation", "find_key")]) + 2
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn queries_of_management_are_counted_by_operation() {
    let shop = Shop::open(Setup::default()).await;
    let before = Scrape::of(&shop.latchkey);
    let (key, _) = shop.key("acme").await;
    let mut keys = shop.operator.keys();
    let _ = keys.get_key(GetKeyRequest { id: key.id.clone() }).await.expect("the key");
    let list = ListKeysRequest { tenant: "acme".to_owned(), ..ListKeysRequest::default() };
    let _ = keys.list_keys(list).await.expect("keys");
    let usage = GetKeyUsageRequest { id: key.id, ..GetKeyUsageRequest::default() };
    let _ = keys.get_key_usage(usage).await.expect("its use");
    let scrape = Scrape::of(&shop.latchkey);
    let more = |operation: &str| {
        let labels = [("operation", operation), ("outcome", "ok")];
        scrape.count(QUERY_COUNT, &labels) - before.count(QUERY_COUNT, &labels)
    };
    assert_eq!((more("write"), more("list")), (1, 1));
    assert!(more("read") > 0 && more("read_usage") > 0);
    // A violated unique constraint is a result, and not an error.
    let mut tenants = shop.operator.tenants();
    let again = tenants.create_tenant(CreateTenantRequest {
        slug: "acme".to_owned(),
        display_name: "Another".to_owned(),
        profile: "shop".to_owned(),
        ..CreateTenantRequest::default()
    });
    assert_eq!(again.await.expect_err("there is one").code(), Code::AlreadyExists);
    let scrape = Scrape::of(&shop.latchkey);
    for outcome in ["error", "timeout", "cancelled"] {
        let labels = [("outcome", outcome)];
        assert_eq!(scrape.count(QUERY_COUNT, &labels), before.count(QUERY_COUNT, &labels), "{outcome}");
    }
    let writes = [("operation", "write"), ("outcome", "ok")];
    assert_eq!(scrape.count(QUERY_COUNT, &writes), before.count(QUERY_COUNT, &writes) + 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_hangs_or_is_gone_is_seen_by_how_questions_end() {
    let postgres = Postgres::start();
    let setup = Setup::default().database(&postgres.database());
    // The look-up that is repeated in the background still waits when the database is killed.
    let shop = Shop::open(setup.environment("LATCHKEY_DATABASE_DEADLINE", "1m")).await;
    let mut values = Vec::new();
    for _ in 0..2 {
        values.push(shop.key("acme").await);
    }
    let before = |outcome: &str| query_count(&shop, "find_key", outcome);
    let (answered, late, failed) = (before("ok"), before("timeout"), before("error"));
    postgres.freeze();
    let hung = shop.latchkey.anonymous().checks().check(call(&values[0].1, "GET")).await;
    assert_eq!(hung.expect_err("the key is not cached").code(), Code::Unavailable);
    eventually("it is late", || (query_count(&shop, "find_key", "timeout") == late + 1).then_some(()));
    // The caller does not wait for the response. On a busy machine, it can give up before its query has begun.
    eventually_async("a query is abandoned", async || {
        let mut impatient = tonic::Request::new(GetKeyRequest { id: values[0].0.id.clone() });
        impatient.set_timeout(std::time::Duration::from_millis(200));
        let _ = shop.operator.keys().get_key(impatient).await.expect_err("not in time");
        (query_count(&shop, "read", "cancelled") > 0).then_some(())
    })
    .await;
    let late = before("timeout");
    postgres.kill();
    let gone = shop.latchkey.anonymous().checks().check(call(&values[1].1, "GET")).await;
    assert_eq!(gone.expect_err("the key is not cached").code(), Code::Unavailable);
    assert!(query_count(&shop, "find_key", "error") > failed);
    assert_eq!(
        (query_count(&shop, "find_key", "ok"), query_count(&shop, "find_key", "timeout")),
        (answered, late)
    );
    eventually("the feed is asked for in vain", || {
        let labels = [("operation", "feed"), ("outcome", "error"), ("system", "postgresql")];
        (Scrape::of(&shop.latchkey).count(QUERY_COUNT, &labels) > 0).then_some(())
    });
}
