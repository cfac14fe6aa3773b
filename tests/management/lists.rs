//! Lists come in pages, newest first, and a page token belongs to its own list. A filter by a name that nothing has is
//! refused.

use std::collections::HashMap;

use latchkey_proto::v1::{
    CreateKeyRequest, GetShadowReportRequest, GetUsageReportRequest, KeyState, ListKeysRequest,
    ListTenantsRequest, TenantState,
};
use latchkey_testing::{Caller, Database, key, on_both};
use prost_types::Timestamp;
use tonic::Code;

use crate::{Shop, refused};

on_both!(
    pages_follow_each_other_without_a_gap,
    a_token_holds_for_its_own_tenant_and_filter_alone,
    filters_choose,
    tenants_come_in_pages_too,
    the_name_of_no_profile_is_refused_with_the_nearest_one,
    the_name_of_no_binding_is_refused_with_the_nearest_one,
);

fn list(tenant: &str) -> ListKeysRequest {
    ListKeysRequest { tenant: tenant.to_owned(), ..ListKeysRequest::default() }
}

async fn page(caller: &Caller, ask: ListKeysRequest) -> (Vec<String>, String) {
    let page = caller.keys().list_keys(ask).await.expect("a page").into_inner();
    assert!(page.keys.iter().all(|key| key.value.is_empty()), "no values in a list");
    (page.keys.into_iter().map(|key| key.id).collect(), page.next_page_token)
}

async fn some_keys(shop: &Shop, tenant: &str, count: usize) -> Vec<String> {
    let mut ids = Vec::new();
    for _ in 0..count {
        ids.insert(0, shop.operator.plain_key(tenant, "live").await.0.id);
    }
    ids
}

async fn pages_follow_each_other_without_a_gap(database: Database) {
    let shop = Shop::open(database).await;
    let ids = some_keys(&shop, "acme", 7).await;
    let (mut seen, mut token) = (Vec::new(), String::new());
    loop {
        let ask = ListKeysRequest { page_size: 3, page_token: token, ..list("acme") };
        let (keys, next) = page(&shop.operator, ask).await;
        assert!(keys.len() <= 3);
        seen.extend(keys);
        // A key that is created meanwhile is on no later page.
        let _ = shop.operator.plain_key("acme", "live").await;
        token = next;
        if token.is_empty() {
            break;
        }
    }
    assert_eq!(seen, ids, "newest first");
    for size in [-1, 1_001, i32::MAX] {
        let ask = ListKeysRequest { page_size: size, ..list("acme") };
        assert_eq!(refused(shop.operator.keys().list_keys(ask).await), Code::InvalidArgument, "{size}");
    }
}

async fn a_token_holds_for_its_own_tenant_and_filter_alone(database: Database) {
    let shop = Shop::open(database).await;
    let _ = some_keys(&shop, "acme", 3).await;
    let _ = some_keys(&shop, "bank", 3).await;
    let small = |tenant: &str| ListKeysRequest { page_size: 1, ..list(tenant) };
    let (_, token) = page(&shop.operator, small("acme")).await;
    let with = |ask: ListKeysRequest| ListKeysRequest { page_token: token.clone(), ..ask };
    let (next, _) = page(&shop.operator, with(small("acme"))).await;
    assert_eq!(next.len(), 1);
    let wrong = [
        with(small("bank")),
        with(ListKeysRequest { kind: "secret".to_owned(), ..small("acme") }),
        with(ListKeysRequest { state: KeyState::Revoked.into(), ..small("acme") }),
        ListKeysRequest { page_token: format!("{token}x"), ..small("acme") },
        ListKeysRequest { page_token: token.to_uppercase() + "!", ..small("acme") },
        ListKeysRequest { page_token: "é".repeat(40), ..small("acme") },
        ListKeysRequest { page_token: "AAAA".to_owned(), ..small("acme") },
    ];
    for (number, ask) in wrong.into_iter().enumerate() {
        assert_eq!(
            refused(shop.operator.keys().list_keys(ask).await),
            Code::InvalidArgument,
            "number {number}"
        );
    }
    let bank = shop.manager("bank", |_| ()).await;
    assert_eq!(refused(bank.keys().list_keys(with(small(""))).await), Code::InvalidArgument);
}

async fn filters_choose(database: Database) {
    let shop = Shop::open(database).await;
    let (live, _) = shop.operator.plain_key("acme", "live").await;
    let (test, _) = shop.operator.plain_key("acme", "test").await;
    let bindings = [("merchant".to_owned(), "m_1".to_owned())].into();
    let (bound, _) = shop.operator.key(CreateKeyRequest { bindings, ..key("acme", "live") }).await;
    let (public, _) =
        shop.operator.key(CreateKeyRequest { kind: "publishable".to_owned(), ..key("acme", "live") }).await;
    let _ = shop.operator.revoke(&live.id).await;
    let cases = [
        (ListKeysRequest { environment: "test".to_owned(), ..list("acme") }, vec![&test]),
        (ListKeysRequest { kind: "publishable".to_owned(), ..list("acme") }, vec![&public]),
        (ListKeysRequest { state: KeyState::Revoked.into(), ..list("acme") }, vec![&live]),
        (ListKeysRequest { state: KeyState::Active.into(), ..list("acme") }, vec![&public, &bound, &test]),
        (ListKeysRequest { bindings: bound.bindings.clone(), ..list("acme") }, vec![&bound]),
        (list("bank"), vec![]),
    ];
    for (number, (ask, expected)) in cases.into_iter().enumerate() {
        let expected: Vec<String> = expected.into_iter().map(|key| key.id.clone()).collect();
        assert_eq!(page(&shop.operator, ask).await.0, expected, "number {number}");
    }
}

async fn tenants_come_in_pages_too(database: Database) {
    let shop = Shop::open(database).await;
    let ask = |token: &str| ListTenantsRequest {
        page_size: 1,
        page_token: token.to_owned(),
        ..ListTenantsRequest::default()
    };
    let first = shop.operator.tenants().list_tenants(ask("")).await.expect("a page").into_inner();
    let second =
        shop.operator.tenants().list_tenants(ask(&first.next_page_token)).await.expect("a page").into_inner();
    let slugs = [&first, &second].map(|page| page.tenants[0].slug.as_str());
    assert_eq!(slugs, ["bank", "acme"]);
    assert_eq!(second.next_page_token, "");
    assert_eq!(refused(shop.operator.tenants().list_tenants(ask("x")).await), Code::InvalidArgument);
}

async fn the_name_of_no_profile_is_refused_with_the_nearest_one(database: Database) {
    let shop = Shop::open(database).await;
    let operator = &shop.operator;
    for (profile, plan, field) in [("shpo", "", "profile"), ("shop", "bgi", "plan"), ("", "bgi", "plan")] {
        let (profile, plan) = (profile.to_owned(), plan.to_owned());
        let ask = ListTenantsRequest { profile, plan, ..ListTenantsRequest::default() };
        let suspended = ListTenantsRequest { state: TenantState::Suspended.into(), ..ask.clone() };
        let acme = ListTenantsRequest { name_contains: "acme".to_owned(), ..ask.clone() };
        for ask in [ask, suspended, acme] {
            let status = operator.tenants().list_tenants(ask.clone()).await.expect_err("no such name");
            assert!(status.message().starts_with(&format!("{field}: ")), "{ask:?}: {status:?}");
        }
    }
    let profile = || "shpo".to_owned();
    let start_time = Some(Timestamp { seconds: 1, nanos: 0 });
    let usage = GetUsageReportRequest { profile: profile(), ..GetUsageReportRequest::default() };
    let usage_since = GetUsageReportRequest { start_time, ..usage.clone() };
    let shadow = GetShadowReportRequest { profile: profile(), ..GetShadowReportRequest::default() };
    let shadow_since = GetShadowReportRequest { start_time, ..shadow.clone() };
    for status in [
        operator.usage().get_usage_report(usage).await.expect_err("no such profile"),
        operator.usage().get_usage_report(usage_since).await.expect_err("no such profile"),
        operator.shadow().get_shadow_report(shadow).await.expect_err("no such profile"),
        operator.shadow().get_shadow_report(shadow_since).await.expect_err("no such profile"),
    ] {
        assert_eq!(status.code(), Code::InvalidArgument, "{status:?}");
        let message = status.message();
        assert!(message.starts_with("profile: ") && message.contains("did you mean shop?"), "{message}");
    }
    let usage = GetUsageReportRequest { profile: "shop".to_owned(), ..GetUsageReportRequest::default() };
    assert!(
        operator.usage().get_usage_report(usage).await.expect("no calls yet").into_inner().lines.is_empty()
    );
}

async fn the_name_of_no_binding_is_refused_with_the_nearest_one(database: Database) {
    let shop = Shop::open(database).await;
    let manager = shop.manager("acme", |_| ()).await;
    let bound = |name: &str| HashMap::from([(name.to_owned(), "m_1".to_owned())]);
    let _ = shop.operator.key(CreateKeyRequest { bindings: bound("region"), ..key("acme", "live") }).await;
    let all = ListKeysRequest { all_tenants: true, ..list("") };
    for (caller, list) in [(&shop.operator, list("acme")), (&shop.operator, all), (&manager, list(""))] {
        for (name, text) in [("merchnt", "did you mean merchant?"), ("Merchant", "did you mean merchant?")] {
            for kind in ["", "secret"] {
                let ask = ListKeysRequest { bindings: bound(name), kind: kind.to_owned(), ..list.clone() };
                let status = caller.keys().list_keys(ask).await.expect_err(name);
                assert_eq!(status.code(), Code::InvalidArgument, "{status:?}");
                let message = status.message();
                assert!(
                    message.starts_with(&format!("bindings[{name:?}]: ")) && message.contains(text),
                    "{message}"
                );
            }
        }
        // A name that the profile reads, a name that a key has, and one that services can use.
        for name in ["merchant", "region", "shop"] {
            let kind = "publishable".to_owned();
            let ask = ListKeysRequest { bindings: bound(name), kind, ..list.clone() };
            assert_eq!(page(caller, ask).await.0, [""; 0], "{name}");
        }
    }
}
