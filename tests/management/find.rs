//! Keys, tenants and users are found by their properties, in each order, and within the caller's own bounds alone.

use latchkey_proto::v1::{
    CheckRequest, CreateKeyRequest, CreateTenantRequest, Key, KeyState, ListKeysRequest, ListTenantsRequest,
    ListUsersRequest, SuspendTenantRequest, TenantState, UserState,
};
use latchkey_testing::{Caller, Database, eventually_async, key, on_both};
use prost_types::Timestamp;
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use crate::Shop;

on_both!(
    a_key_is_found_by_what_is_known_of_it,
    every_order_is_listed_in_pages_of_any_filter,
    operators_alone_list_all_tenants,
    a_confined_caller_finds_nothing_beyond_its_bounds,
    what_is_wrong_is_named_with_the_choices,
    a_key_that_was_used_is_no_longer_among_the_unused,
    imported_keys_are_ordered_by_their_creation_elsewhere,
    tenants_are_found,
);

fn list(tenant: &str) -> ListKeysRequest {
    ListKeysRequest { tenant: tenant.to_owned(), ..ListKeysRequest::default() }
}

/// Returns the names of all keys of a list, page by page.
async fn names(caller: &Caller, mut ask: ListKeysRequest) -> Vec<String> {
    let mut seen = Vec::new();
    loop {
        let page = caller.keys().list_keys(ask.clone()).await.expect("a page").into_inner();
        seen.extend(page.keys.into_iter().map(|key| key.name));
        if page.next_page_token.is_empty() {
            return seen;
        }
        ask.page_token = page.next_page_token;
    }
}

async fn named(shop: &Shop, name: &str, change: impl FnOnce(&mut CreateKeyRequest)) -> (Key, String) {
    let mut ask = CreateKeyRequest { name: name.to_owned(), ..key("acme", "live") };
    change(&mut ask);
    shop.operator.key(ask).await
}

fn at(seconds: i64) -> Timestamp {
    Timestamp { seconds, nanos: 0 }
}

/// A time far in the future, in seconds since 1970.
const LATER: i64 = 4_000_000_000;

async fn a_key_is_found_by_what_is_known_of_it(database: Database) {
    let shop = Shop::open(database).await;
    let manager = shop.manager("acme", |ask| "manager".clone_into(&mut ask.name)).await;
    let (billing, value) = named(&shop, "Billing job", |_| ()).await;
    let (_, _) = named(&shop, "short-lived", |ask| {
        ask.expiry = Some(latchkey_proto::v1::create_key_request::Expiry::ExpireTime(at(LATER)));
        ask.scopes = vec!["orders.write".to_owned()];
    })
    .await;
    let own = CreateKeyRequest { name: "by the manager".to_owned(), ..key("", "live") };
    let (own, _) = manager.key(own).await;
    let hint = value[value.len() - 4..].to_owned();
    let shown = format!("{}…{}", billing.prefix, billing.hint);
    let cases = [
        (ListKeysRequest { name_contains: "billing".to_owned(), ..list("acme") }, vec!["Billing job"]),
        (ListKeysRequest { hint, ..list("acme") }, vec!["Billing job"]),
        (ListKeysRequest { hint: shown, ..list("acme") }, vec!["Billing job"]),
        (ListKeysRequest { created_by: own.created_by, ..list("acme") }, vec!["by the manager"]),
        (ListKeysRequest { scopes: vec!["orders.write".to_owned()], ..list("acme") }, vec!["short-lived"]),
        (ListKeysRequest { expires_before: Some(at(LATER + 1)), ..list("acme") }, vec!["short-lived"]),
        (ListKeysRequest { expires_after: Some(at(LATER + 1)), ..list("acme") }, vec![]),
        (ListKeysRequest { created_after: Some(at(LATER)), ..list("acme") }, vec![]),
        (
            ListKeysRequest { scopes: vec!["orders.view".to_owned()], ..list("acme") },
            vec!["by the manager", "Billing job", "manager"],
        ),
        (
            ListKeysRequest { never_expires: true, ..list("acme") },
            vec!["by the manager", "Billing job", "manager"],
        ),
    ];
    for (ask, expected) in cases {
        assert_eq!(names(&shop.operator, ask.clone()).await, expected, "{ask:?}");
    }
    let _ = shop.operator.revoke(&billing.id).await;
    let states = vec![KeyState::Revoked.into(), KeyState::Disabled.into()];
    assert_eq!(names(&shop.operator, ListKeysRequest { states, ..list("acme") }).await, ["Billing job"]);
}

async fn every_order_is_listed_in_pages_of_any_filter(database: Database) {
    let shop = Shop::open(database).await;
    for (name, expires) in [("b", LATER + 2), ("C", LATER), ("a", LATER + 1)] {
        named(&shop, name, |ask| {
            ask.expiry = Some(latchkey_proto::v1::create_key_request::Expiry::ExpireTime(at(expires)));
        })
        .await;
    }
    let ask = |order: &str| ListKeysRequest { order_by: order.to_owned(), page_size: 1, ..list("acme") };
    let orders = [
        ("", ["a", "C", "b"]),
        ("created", ["b", "C", "a"]),
        ("create_time desc", ["a", "C", "b"]),
        ("name", ["a", "b", "C"]),
        ("name asc", ["a", "b", "C"]),
        ("name desc", ["C", "b", "a"]),
        ("expires", ["C", "a", "b"]),
        ("expire_time desc", ["b", "a", "C"]),
        ("last_used", ["b", "C", "a"]),
    ];
    for (order, expected) in orders {
        assert_eq!(names(&shop.operator, ask(order)).await, expected, "{order}");
        let kind = ListKeysRequest { kind: "secret".to_owned(), ..ask(order) };
        assert_eq!(names(&shop.operator, kind).await, expected, "{order}");
    }
    let first = shop.operator.keys().list_keys(ask("name")).await.expect("a page").into_inner();
    let other = ListKeysRequest { page_token: first.next_page_token, ..ask("expires") };
    let status = shop.operator.keys().list_keys(other).await.expect_err("a token of another order");
    assert_eq!(violations(&status), [("page_token".to_owned(), "is not a token of this list".to_owned())]);
}

async fn operators_alone_list_all_tenants(database: Database) {
    let shop = Shop::open(database).await;
    named(&shop, "acme's", |_| ()).await;
    named(&shop, "bank's", |ask| "bank".clone_into(&mut ask.tenant)).await;
    let all = ListKeysRequest { all_tenants: true, name_contains: "'s".to_owned(), ..list("") };
    assert_eq!(names(&shop.operator, all.clone()).await, ["bank's", "acme's"]);
    assert_eq!(
        names(&shop.operator, ListKeysRequest { name_contains: "'s".to_owned(), ..list("") }).await,
        [""; 0]
    );
    let manager = shop.manager("acme", |_| ()).await;
    let status = manager.keys().list_keys(all.clone()).await.expect_err("it is no operator");
    assert_eq!(status.code(), Code::PermissionDenied);
    let users = ListUsersRequest { all_tenants: true, ..ListUsersRequest::default() };
    let status = manager.tenants().list_users(users).await.expect_err("it is no operator");
    assert_eq!(status.code(), Code::PermissionDenied);
    assert_eq!(
        names(&manager, ListKeysRequest { name_contains: "'s".to_owned(), ..list("") }).await,
        ["acme's"]
    );
    let both = ListKeysRequest { tenant: "acme".to_owned(), ..all };
    let status = shop.operator.keys().list_keys(both).await.expect_err("which of the two");
    assert_eq!(violations(&status)[0].0, "all_tenants");
}

async fn a_confined_caller_finds_nothing_beyond_its_bounds(database: Database) {
    let shop = Shop::open(database).await;
    let bound = |id: &str| [("merchant".to_owned(), id.to_owned())].into();
    let confined =
        shop.manager("acme", |ask| (ask.name, ask.bindings) = ("own".to_owned(), bound("m_1"))).await;
    named(&shop, "mine", |ask| ask.bindings = bound("m_1")).await;
    let (foreign, _) = named(&shop, "theirs", |ask| ask.bindings = bound("m_2")).await;
    let (whole, _) = named(&shop, "whole", |_| ()).await;
    // Until the caller's own use is stored, its place in an order can change between two pages.
    eventually_async("the caller's own use is stored", async || {
        let unused = names(&confined, ListKeysRequest { never_used: true, ..list("") }).await;
        (unused == ["mine"]).then_some(())
    })
    .await;
    for order in ["", "name", "last_used desc", "expires"] {
        let ask = ListKeysRequest { order_by: order.to_owned(), page_size: 1, ..list("") };
        let mut seen = names(&confined, ask).await;
        seen.sort_unstable();
        assert_eq!(seen, ["mine", "own"], "{order}");
    }
    for key in [&foreign, &whole] {
        let seen = names(&confined, ListKeysRequest { hint: key.hint.clone(), ..list("") }).await;
        assert!(!seen.contains(&key.name), "{seen:?}");
    }
}

fn violations(status: &Status) -> Vec<(String, String)> {
    assert_eq!(status.code(), Code::InvalidArgument, "{status:?}");
    let wrong = status.get_details_bad_request().map(|bad| bad.field_violations).unwrap_or_default();
    wrong.into_iter().map(|violation| (violation.field, violation.description)).collect()
}

async fn what_is_wrong_is_named_with_the_choices(database: Database) {
    let shop = Shop::open(database).await;
    let secret = "shop_live_0123456789abcdef".to_owned();
    let wrong = async |ask: ListKeysRequest| {
        violations(&shop.operator.keys().list_keys(ask).await.expect_err("it is refused"))
    };
    let order = wrong(ListKeysRequest { order_by: "age".to_owned(), ..list("acme") }).await;
    assert_eq!(order[0].0, "order_by");
    assert!(order[0].1.contains("\"age\"") && order[0].1.contains("created, name, last_used, expires"));
    let hint = wrong(ListKeysRequest { hint: secret.clone(), ..list("acme") }).await;
    assert_eq!(hint[0].0, "hint");
    assert!(!hint[0].1.contains(&secret), "a whole key is not repeated");
    let kind = wrong(ListKeysRequest { kind: "secrte".to_owned(), ..list("acme") }).await;
    assert_eq!(kind[0].0, "kind");
    assert!(kind[0].1.contains("did you mean secret?"), "{kind:?}");
    let scope = wrong(ListKeysRequest { scopes: vec!["orders.raed".to_owned()], ..list("acme") }).await;
    assert_eq!(scope[0].0, "scopes[0]");
    assert!(scope[0].1.contains("orders.read"), "{scope:?}");
    let environment = wrong(ListKeysRequest { environment: "prod".to_owned(), ..list("acme") }).await;
    assert!(environment[0].1.contains("live, test"), "{environment:?}");
    let ask = ListKeysRequest { expires_after: Some(at(2)), expires_before: Some(at(1)), ..list("acme") };
    assert_eq!(wrong(ask).await[0].0, "expires_before");
    let ask = ListKeysRequest {
        order_by: "x".to_owned(),
        page_size: -1,
        name_contains: "x".repeat(200),
        ..list("acme")
    };
    let fields: Vec<String> = wrong(ask).await.into_iter().map(|(field, _)| field).collect();
    assert_eq!(fields, ["name_contains", "order_by", "page_size"]);
}

async fn a_key_that_was_used_is_no_longer_among_the_unused(database: Database) {
    let shop = Shop::open(database).await;
    let (_, value) = named(&shop, "used", |_| ()).await;
    named(&shop, "unused", |_| ()).await;
    let unused = || ListKeysRequest { never_used: true, ..list("acme") };
    assert_eq!(names(&shop.operator, unused()).await, ["unused", "used"]);
    let ask = CheckRequest { credential: value, scopes_only: true, ..CheckRequest::default() };
    let _ = shop.latchkey.anonymous().check(ask).await;
    eventually_async("its use is stored", async || {
        (names(&shop.operator, unused()).await == ["unused"]).then_some(())
    })
    .await;
    let used = ListKeysRequest { last_used_after: Some(at(1)), ..list("acme") };
    assert_eq!(names(&shop.operator, used).await, ["used"]);
    let order = ListKeysRequest { order_by: "last_used".to_owned(), page_size: 1, ..list("acme") };
    assert_eq!(names(&shop.operator, order).await, ["unused", "used"]);
}

async fn imported_keys_are_ordered_by_their_creation_elsewhere(database: Database) {
    use latchkey_proto::v1::{ImportKeysRequest, ImportedKey, imported_key::Secret};
    let shop = Shop::open(database).await;
    named(&shop, "new", |_| ()).await;
    let imported = |name: &str, seconds: i64| ImportedKey {
        secret: Some(Secret::Sha256(vec![u8::try_from(seconds).expect("a small number"); 32])),
        key: Some(CreateKeyRequest { name: name.to_owned(), ..CreateKeyRequest::default() }),
        create_time: Some(at(seconds)),
        ..ImportedKey::default()
    };
    let ask = ImportKeysRequest {
        tenant: "acme".to_owned(),
        keys: vec![imported("second", 20), imported("first", 10)],
        ..ImportKeysRequest::default()
    };
    let _ = shop.operator.keys().import_keys(ask).await.expect("they are imported");
    let order = ListKeysRequest { order_by: "created".to_owned(), page_size: 1, ..list("acme") };
    assert_eq!(names(&shop.operator, order).await, ["first", "second", "new"]);
    assert_eq!(names(&shop.operator, list("acme")).await, ["new", "second", "first"]);
}

async fn tenants_are_found(database: Database) {
    let shop = Shop::open(database).await;
    let made = CreateTenantRequest {
        slug: "zeta".to_owned(),
        display_name: "Acme's friend".to_owned(),
        profile: "shop".to_owned(),
        plan: "big".to_owned(),
        ..CreateTenantRequest::default()
    };
    let _ = shop.operator.tenants().create_tenant(made).await.expect("a tenant");
    let suspension = SuspendTenantRequest { tenant: "bank".to_owned(), ..SuspendTenantRequest::default() };
    let _ = shop.operator.tenants().suspend_tenant(suspension).await.expect("it is suspended");
    let slugs = async |ask: ListTenantsRequest| {
        let (mut ask, mut seen) = (ListTenantsRequest { page_size: 1, ..ask }, Vec::new());
        loop {
            let page = shop.operator.tenants().list_tenants(ask.clone()).await.expect("a page").into_inner();
            seen.extend(page.tenants.into_iter().map(|tenant| tenant.slug));
            if page.next_page_token.is_empty() {
                return seen;
            }
            ask.page_token = page.next_page_token;
        }
    };
    let ask = ListTenantsRequest::default;
    assert_eq!(slugs(ask()).await, ["zeta", "bank", "acme"]);
    assert_eq!(
        slugs(ListTenantsRequest { name_contains: "ACME".to_owned(), ..ask() }).await,
        ["zeta", "acme"]
    );
    assert_eq!(slugs(ListTenantsRequest { state: TenantState::Suspended.into(), ..ask() }).await, ["bank"]);
    assert_eq!(slugs(ListTenantsRequest { plan: "big".to_owned(), ..ask() }).await, ["zeta"]);
    assert_eq!(
        slugs(ListTenantsRequest { order_by: "slug".to_owned(), ..ask() }).await,
        ["acme", "bank", "zeta"]
    );
    let wrong = ListTenantsRequest { order_by: "plan".to_owned(), state: 9, ..ask() };
    let status = shop.operator.tenants().list_tenants(wrong).await.expect_err("it is refused");
    assert_eq!(violations(&status)[0].0, "state");
    let users = ListUsersRequest {
        tenant: "acme".to_owned(),
        role: "admni".to_owned(),
        state: UserState::Active.into(),
        ..ListUsersRequest::default()
    };
    let status = shop.operator.tenants().list_users(users).await.expect_err("no such role");
    assert_eq!(violations(&status)[0].0, "role");
}
