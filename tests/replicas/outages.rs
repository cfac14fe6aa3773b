//! A database that hangs: cached keys are decided until the lease expires. Then, and for every other call,
//! the result is an outage with the time to retry, never a denial. The replica recovers by itself.

use std::time::Duration;

use latchkey_proto::v1::{CheckRequest, ResumeTenantRequest, SuspendTenantRequest};
use latchkey_testing::{ProfileBuilder, eventually};
use tonic::Code;

use crate::cluster::{
    Cluster, PROFILE, allows, ask, assert_outage, decides, outage_after_the_lease, patient,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hung_database_is_an_outage_when_the_lease_is_over_and_no_denial() {
    let cluster = Cluster::start().await;
    let (known, unknown) = (cluster.key().await, cluster.key().await);
    cluster.admitted_everywhere(&known.1).await;
    cluster.postgres.freeze();
    let caller = &cluster.operators[1];
    let status = allows(caller, ask(&unknown.1)).await.expect_err("no replica can know this key").0;
    assert_outage(&status);
    let status = outage_after_the_lease(caller, &known.1, Duration::from_mins(3)).await;
    assert_eq!(status.code(), Code::Unavailable);
    // Many concurrent calls cause only one query of the database, and all of them are answered in time.
    let herd: tokio::task::JoinSet<_> = (0..100)
        .map(|_| {
            let (caller, value) = (caller.clone(), known.1.clone());
            async move { allows(&caller, ask(&value)).await }
        })
        .collect();
    assert!(herd.join_all().await.iter().all(Result::is_err), "outages, and no answers");
    cluster.postgres.thaw();
    for value in [&known.1, &unknown.1] {
        cluster.admitted_everywhere(value).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_was_asked_for_too_early_works_everywhere_when_it_is_made() {
    let cluster = Cluster::with(|_| patient()).await;
    let value = format!("town_live_{:064x}", 7);
    for operator in &cluster.operators {
        assert!(!decides(operator, ask(&value)).await);
    }
    let import = latchkey_proto::v1::ImportKeysRequest {
        tenant: "acme".to_owned(),
        keys: vec![latchkey_proto::v1::ImportedKey {
            secret: Some(latchkey_proto::v1::imported_key::Secret::Value(value.clone())),
            key: Some(latchkey_testing::key("acme", "live")),
            ..latchkey_proto::v1::ImportedKey::default()
        }],
        validate_only: false,
    };
    cluster.operators[0].keys().import_keys(import).await.expect("an import");
    for operator in &cluster.operators {
        assert!(decides(operator, ask(&value)).await, "at once, on each");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tenants_and_profiles_change_everywhere_before_the_call_returns() {
    let cluster = Cluster::with(|_| patient()).await;
    let (_, value) = cluster.key().await;
    cluster.admitted_everywhere(&value).await;
    let everywhere = async |path: &str, expected: bool| {
        for operator in &cluster.operators {
            let route = ("GET".to_owned(), path.to_owned());
            let call = CheckRequest { method: route.0, path: route.1, scopes_only: false, ..ask(&value) };
            assert_eq!(decides(operator, call).await, expected, "{path}");
        }
    };
    let closed = ProfileBuilder::from_document(PROFILE).set("unmatched_routes", "deny").build();
    everywhere("/things", true).await;
    cluster.operators[1].apply(&closed).await.expect("a profile");
    everywhere("/things", false).await;
    cluster.operators[2].apply(PROFILE).await.expect("a profile");
    everywhere("/things", true).await;
    let suspend = SuspendTenantRequest { tenant: "acme".to_owned(), reason: String::new() };
    cluster.operators[1].tenants().suspend_tenant(suspend).await.expect("suspended");
    everywhere("/things", false).await;
    let resume = ResumeTenantRequest { tenant: "acme".to_owned() };
    cluster.operators[2].tenants().resume_tenant(resume).await.expect("resumed");
    everywhere("/things", true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lost_connections_are_replaced_without_a_restart() {
    let cluster = Cluster::start().await;
    let key = cluster.key().await;
    cluster.replicas[1].to_database.refuse(true);
    cluster.replicas[1].to_redis.refuse(true);
    cluster.wait_for_log(1, "failed to read the change feed", 1);
    cluster.replicas[1].to_database.refuse(false);
    cluster.replicas[1].to_redis.refuse(false);
    cluster.wait_for_log(1, "the change feed can be read again", 1);
    eventually("Redis is asked again", || {
        (cluster.replicas[1].latchkey.log().matches("connected to Redis").count() >= 2).then_some(())
    });
    cluster.admitted_everywhere(&key.1).await;
}
