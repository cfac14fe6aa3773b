//! Invalid input is refused, with every invalid field.

use std::collections::HashMap;

use latchkey_proto::v1::create_key_request::Expiry;
use latchkey_proto::v1::{
    CreateKeyRequest, CreateTenantRequest, Key, ListAuditEventsRequest, ListKeysRequest, ListTenantsRequest,
    RotateKeyRequest, UpdateKeyRequest, rotate_key_request,
};
use latchkey_testing::{Database, field_mask, key, on_both};
use tonic::Code;
use tonic_types::StatusExt as _;

use crate::{Shop, refused};

on_both!(
    every_wrong_field_of_a_key_is_named,
    every_wrong_field_of_a_tenant_is_named,
    a_value_that_a_field_cannot_hold_hides_no_other_field,
    a_denied_call_without_the_scope_names_no_wrong_field,
    odd_names_are_refused,
);

#[track_caller]
fn wrong_fields<T>(answer: Result<T, tonic::Status>) -> Vec<String> {
    let Err(status) = answer else { panic!("the call should have been refused") };
    assert_eq!(status.code(), Code::InvalidArgument);
    let bad = status.get_details_bad_request().unwrap_or_else(|| panic!("no BadRequest in {status:?}"));
    assert!(bad.field_violations.iter().all(|violation| !violation.description.is_empty()));
    bad.field_violations.into_iter().map(|violation| violation.field).collect()
}

fn one(name: &str, value: &str) -> HashMap<String, String> {
    HashMap::from([(name.to_owned(), value.to_owned())])
}

async fn every_wrong_field_of_a_key_is_named(database: Database) {
    let shop = Shop::open(database).await;
    let ask = CreateKeyRequest {
        tenant: "acme".to_owned(),
        name: "x".repeat(129),
        kind: String::new(),
        environment: "moon".to_owned(),
        scopes: vec!["orders.read".to_owned(), "nonsense".to_owned()],
        bindings: one("", ""),
        expiry: Some(Expiry::ExpireTime(prost_types::Timestamp { seconds: 1, nanos: 0 })),
        allowed_networks: vec!["10.0.0.0/8".to_owned(), "10.0.0.0/99".to_owned()],
        rate_limits: one("default", "many"),
        metadata: one("team", "a\nb"),
        idempotency_key: "x".repeat(1_000),
        all_scopes: false,
    };
    let output = wrong_fields(shop.operator.try_key(ask).await);
    let expected = [
        "name",
        "environment",
        "scopes[1]",
        "bindings",
        "expire_time",
        "allowed_networks[1]",
        "rate_limits",
        "metadata",
        "idempotency_key",
    ];
    for field in expected {
        assert!(output.iter().any(|output| output.starts_with(field)), "{field} is not in {output:?}");
    }
    assert!(!output.iter().any(|field| field == "scopes[0]" || field == "allowed_networks[0]"), "{output:?}");
    let unknown = CreateKeyRequest { kind: "spare".to_owned(), ..key("acme", "live") };
    assert_eq!(wrong_fields(shop.operator.try_key(unknown).await), ["kind"]);
    let classless = CreateKeyRequest { rate_limits: one("nonsense", "1/min"), ..key("acme", "live") };
    assert!(wrong_fields(shop.operator.try_key(classless).await)[0].starts_with("rate_limits"));
}

async fn every_wrong_field_of_a_tenant_is_named(database: Database) {
    let shop = Shop::open(database).await;
    let ask = CreateTenantRequest {
        slug: "No Good".to_owned(),
        display_name: "a\u{1b}[31m".to_owned(),
        profile: "nonsense".to_owned(),
        plan: String::new(),
        rate_limits: HashMap::new(),
    };
    let output = wrong_fields(shop.operator.tenants().create_tenant(ask).await);
    for field in ["slug", "display_name", "profile"] {
        assert!(output.iter().any(|output| output.starts_with(field)), "{field} is not in {output:?}");
    }
    for slug in ["", "ab", "UPPER", "under_score", "é-slug", "a..b", &"x".repeat(64)] {
        let ask = CreateTenantRequest {
            slug: slug.to_owned(),
            profile: "shop".to_owned(),
            ..CreateTenantRequest::default()
        };
        let answer = shop.operator.tenants().create_tenant(ask).await;
        assert!(answer.is_err(), "{slug:?} was taken");
        assert_eq!(wrong_fields(answer), ["slug"], "{slug:?}");
    }
    let ask = CreateTenantRequest {
        slug: "planned".to_owned(),
        profile: "shop".to_owned(),
        plan: "nonsense".to_owned(),
        rate_limits: one("nonsense", "key 1/min"),
        ..CreateTenantRequest::default()
    };
    assert_eq!(wrong_fields(shop.operator.tenants().create_tenant(ask).await).len(), 2);
}

const NEVER: prost_types::Timestamp = prost_types::Timestamp { seconds: 1 << 60, nanos: 0 };
const NEGATIVE: prost_types::Duration = prost_types::Duration { seconds: -1, nanos: 0 };

async fn a_value_that_a_field_cannot_hold_hides_no_other_field(database: Database) {
    let shop = Shop::open(database).await;
    let (made, _) = shop.operator.plain_key("acme", "live").await;
    let create = CreateKeyRequest {
        name: String::new(),
        scopes: vec!["nonsense".to_owned()],
        expiry: Some(Expiry::Ttl(NEGATIVE)),
        ..key("acme", "live")
    };
    assert_eq!(wrong_fields(shop.operator.try_key(create).await), ["ttl", "name", "scopes[0]"]);
    let changed = Key { id: made.id.clone(), expire_time: Some(NEVER), ..Key::default() };
    let update = UpdateKeyRequest {
        key: Some(changed),
        update_mask: Some(field_mask(&["expire_time", "name", "nonsense"])),
    };
    let answer = shop.operator.keys().update_key(update).await;
    assert_eq!(wrong_fields(answer), ["key.expire_time", "key.name", "update_mask"]);
    let expiry = Some(rotate_key_request::Expiry::ExpireTime(NEVER));
    let long = Some(prost_types::Duration { seconds: 1 << 30, nanos: 0 });
    let rotate = RotateKeyRequest { id: made.id, overlap: long, expiry };
    assert_eq!(wrong_fields(shop.operator.keys().rotate_key(rotate).await), ["expire_time", "overlap"]);
    let list = ListKeysRequest {
        tenant: "acme".to_owned(),
        state: 99,
        page_size: -1,
        page_token: "nonsense".to_owned(),
        ..ListKeysRequest::default()
    };
    let answer = shop.operator.keys().list_keys(list).await;
    assert_eq!(wrong_fields(answer), ["state", "page_size", "page_token"]);
    let list =
        ListTenantsRequest { created_after: Some(NEVER), page_size: -1, ..ListTenantsRequest::default() };
    assert_eq!(
        wrong_fields(shop.operator.tenants().list_tenants(list).await),
        ["created_after", "page_size"]
    );
    let list = ListAuditEventsRequest {
        start_time: Some(NEVER),
        page_size: -1,
        ..ListAuditEventsRequest::default()
    };
    let answer = shop.operator.audit().list_audit_events(list).await;
    assert_eq!(wrong_fields(answer), ["start_time", "page_size"]);
}

/// A caller that may not make the call is refused before its request is judged.
async fn a_denied_call_without_the_scope_names_no_wrong_field(database: Database) {
    let shop = Shop::open(database).await;
    let caller = shop.latchkey.caller(&shop.operator.plain_key("acme", "live").await.1);
    let create = CreateKeyRequest { expiry: Some(Expiry::Ttl(NEGATIVE)), ..key("acme", "live") };
    assert_eq!(refused(caller.try_key(create).await), Code::PermissionDenied);
    let list = ListTenantsRequest { created_after: Some(NEVER), ..ListTenantsRequest::default() };
    assert_eq!(refused(caller.tenants().list_tenants(list).await), Code::PermissionDenied);
}

async fn odd_names_are_refused(database: Database) {
    let shop = Shop::open(database).await;
    for name in ["", "a\nb", "a\0b", "\u{1b}[31mred", "\u{7f}"] {
        let ask = CreateKeyRequest { name: name.to_owned(), ..key("acme", "live") };
        assert_eq!(wrong_fields(shop.operator.try_key(ask).await), ["name"], "{name:?}");
    }
    let ask = CreateKeyRequest { name: "k'; DROP TABLE keys; --".to_owned(), ..key("acme", "live") };
    let (made, _) = shop.operator.key(ask.clone()).await;
    assert_eq!(made.name, ask.name);
    for tenant in ["acme' OR '1'='1", "%", "acme\0"] {
        let code = refused(shop.operator.try_key(key(tenant, "live")).await);
        assert!(matches!(code, Code::NotFound | Code::InvalidArgument), "{tenant:?}: {code:?}");
    }
}
