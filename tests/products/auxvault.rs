//! AuxVault: a key and a tenant on every request, keys of four kinds, some bound to a merchant and a gateway.

use std::collections::HashMap;

use latchkey_proto::v1;
use latchkey_proto::v1::create_key_request::Expiry;
use latchkey_testing::{Answer, Echo, EnvoySetup, Request, key};
use tonic::Code;

use crate::{Product, assert_refused};

const HOST: &str = "dev.auxcore.net";
const KEY_REQUIRED: &str = r#"{"success":false,"error":"API key required","message":"Please provide a valid API key in the x-api-key header or request body"}"#;
const INVALID_KEY: &str = r#"{"success":false,"error":"Invalid API key","message":"The provided API key is invalid or has been deactivated"}"#;
const TENANT_REQUIRED: &str =
    r#"{"success":false,"error":{"code":"TENANT_REQUIRED","message":"X-Tenant-ID header is required"}}"#;
const EXPIRED_JWT: &str =
    r#"{"success":false,"error":{"code":"UNAUTHORIZED","message":"Invalid or expired token"}}"#;
const TEST: &str = "POST /api/v1/public/testConnection";
const PAY: &str = "POST /api/v1/public/transaction";

async fn auxvault() -> Product {
    Product::open("auxvault", HOST).await
}

fn bound(kind: &str, bindings: &[(&str, &str)]) -> v1::CreateKeyRequest {
    let mut ask = key("acme", "live");
    kind.clone_into(&mut ask.kind);
    ask.bindings = bindings.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect();
    ask
}

impl Product {
    fn auxvault(&self, call: &str, key: &str, more: &[(&str, &str)]) -> Answer {
        self.send(call, &[&[("x-api-key", key), ("X-Tenant-ID", "acme")], more].concat())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn both_headers_are_needed_and_each_has_its_own_401() {
    let auxvault = auxvault().await;
    let (_, value) = auxvault.operator.key(bound("erp", &[])).await;
    let _ = Echo::of(&auxvault.auxvault(TEST, &value, &[]));
    assert_refused(&auxvault.send(TEST, &[("X-Tenant-ID", "acme")]), 401, KEY_REQUIRED);
    assert_refused(&auxvault.send(TEST, &[("x-api-key", &value)]), 401, TENANT_REQUIRED);
    assert_refused(&auxvault.send(TEST, &[]), 401, KEY_REQUIRED);
    assert_eq!(auxvault.envoy.upstream().seen(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bearer_value_that_is_no_key_is_an_invalid_token() {
    let auxvault = auxvault().await;
    let send = |bearer: &str| auxvault.send(TEST, &[("Authorization", bearer), ("X-Tenant-ID", "acme")]);
    for bearer in ["Bearer a.b.c", "Bearer null", "bearer undefined", "Bearer eyJ", "Bearer a b"] {
        assert_refused(&send(bearer), 401, EXPIRED_JWT);
    }
    let (made, value) = auxvault.operator.key(bound("erp", &[])).await;
    let _ = auxvault.operator.revoke(&made.id).await;
    assert_refused(&send(&format!("Bearer {value}")), 401, INVALID_KEY);
    assert_refused(&auxvault.auxvault(TEST, "null", &[]), 401, INVALID_KEY);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_is_named_by_slug_or_uuid() {
    let auxvault = auxvault().await;
    let other = auxvault.operator.tenant("other", "auxvault", "").await;
    let ask = v1::GetTenantRequest { tenant: "acme".to_owned() };
    let acme = auxvault.operator.tenants().get_tenant(ask).await.expect("acme").into_inner();
    let (_, value) = auxvault.operator.key(bound("erp", &[])).await;
    for name in ["acme", &acme.id] {
        let echo = Echo::of(&auxvault.send(TEST, &[("x-api-key", &value), ("X-Tenant-ID", name)]));
        assert_eq!(echo.all("x-auxvault-tenant"), ["acme"]);
    }
    let twice = "acme,acme";
    for name in ["other", &other.id, "Acme", "550e8400-e29b-41d4-a716-446655440000", twice] {
        let answer = auxvault.send(TEST, &[("x-api-key", &value), ("X-Tenant-ID", name)]);
        assert_refused(&answer, 401, INVALID_KEY);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_form_of_key_has_its_prefix() {
    let auxvault = auxvault().await;
    let both = [("merchant", "m-1"), ("gateway", "g-1")];
    for (kind, environment, bindings, prefix) in [
        ("erp", "live", &both[..0], "lv_erp_"),
        ("processing", "live", &both, "lv_pk_"),
        ("standard", "live", &both[..1], "api-"),
        ("secret", "live", &both[..0], "lqv_live_sk_"),
        ("secret", "test", &both[..0], "lqv_test_sk_"),
        ("", "live", &both[..0], "lqv_live_sk_"),
    ] {
        let mut ask = bound(kind, bindings);
        ask.environment = environment.to_owned();
        let (made, value) = auxvault.operator.key(ask).await;
        assert!(value.starts_with(prefix), "{kind}");
        assert!(made.value.is_empty(), "it cannot be retrieved after creation");
        let _ = Echo::of(&auxvault.auxvault(TEST, &value, &[]));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_erp_key_is_tenant_wide_and_picks_the_merchant_by_header() {
    let auxvault = auxvault().await;
    let (_, value) = auxvault.operator.key(bound("erp", &[])).await;
    for merchant in ["m-1", "m-2"] {
        let echo = Echo::of(&auxvault.auxvault(PAY, &value, &[("X-Merchant-ID", merchant)]));
        assert_eq!(echo.all("x-merchant-id"), [merchant]);
    }
    for call in ["POST /api/v1/merchants", "GET /api/v1/merchants/m-9", "POST /api/v1/batches"] {
        let _ = Echo::of(&auxvault.auxvault(call, &value, &[]));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_processing_key_works_for_its_merchant_and_gateway_alone() {
    let auxvault = auxvault().await;
    let (_, value) =
        auxvault.operator.key(bound("processing", &[("merchant", "m-1"), ("gateway", "g-1")])).await;
    let own = [("X-Merchant-ID", "m-1"), ("X-Gateway-ID", "g-1")];
    for headers in [&own[..0], &own[..1], &own] {
        let echo = Echo::of(&auxvault.auxvault(PAY, &value, headers));
        assert_eq!(
            (echo.all("x-auxvault-merchant"), echo.all("x-auxvault-gateway")),
            (vec!["m-1"], vec!["g-1"])
        );
    }
    for other in [("X-Merchant-ID", "m-2"), ("X-Gateway-ID", "g-2"), ("X-Merchant-ID", "m-1,m-2")] {
        assert_eq!(auxvault.auxvault(PAY, &value, &[other]).status, 403, "{other:?}");
    }
    assert_eq!(auxvault.auxvault("GET /api/v1/merchants/m-2/x", &value, &[]).status, 403);
    for call in ["GET /api/v1/customers", "POST /api/v1/api-keys", "POST /api/v1/merchants"] {
        assert_eq!(auxvault.auxvault(call, &value, &[]).status, 403, "{call}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_standard_key_reports_on_one_merchant() {
    let auxvault = auxvault().await;
    let (_, value) = auxvault.operator.key(bound("standard", &[("merchant", "m-1")])).await;
    let report = "GET /api/v1/reports/settlement";
    let _ = Echo::of(&auxvault.auxvault(report, &value, &[("X-Merchant-ID", "m-1")]));
    assert_eq!(auxvault.auxvault(report, &value, &[("X-Merchant-ID", "m-2")]).status, 403);
    assert_eq!(auxvault.auxvault(PAY, &value, &[]).status, 403);
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_that_must_be_bound_are_not_made_without() {
    let auxvault = auxvault().await;
    for ask in [bound("processing", &[("merchant", "m-1")]), bound("standard", &[])] {
        let refused = auxvault.operator.try_key(ask).await.expect_err("a binding is missing");
        assert_eq!(refused.code(), Code::InvalidArgument);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn saving_a_var_sheet_many_times_makes_one_processing_key() {
    let auxvault = auxvault().await;
    let mut ask = bound("processing", &[("merchant", "m-1"), ("gateway", "g-1")]);
    ask.idempotency_key = "var-sheet/m-1/g-1".to_owned();
    let mut saves = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let (operator, ask) = (auxvault.operator.clone(), ask.clone());
        saves.spawn(async move { operator.key(ask).await });
    }
    let made = saves.join_all().await;
    assert!(made.iter().all(|(key, _)| key.id == made[0].0.id));
    assert_eq!(made.iter().filter(|(_, value)| !value.is_empty()).count(), 1, "the value is returned once");
    let ask = v1::ListKeysRequest { tenant: "acme".to_owned(), ..v1::ListKeysRequest::default() };
    let listed = auxvault.operator.keys().list_keys(ask).await.expect("a list").into_inner();
    assert_eq!(listed.keys.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_key_may_stand_in_a_json_body() {
    let setup = EnvoySetup { body: Some(8_192), ..EnvoySetup::default() };
    let auxvault = Product::asked("auxvault", HOST, &setup).await;
    let (_, value) = auxvault.operator.key(bound("erp", &[])).await;
    let send = |body: &str| {
        let request = Request::new("POST", HOST, "/api/v1/public/transaction").header("X-Tenant-ID", "acme");
        auxvault.envoy.send(&request.json(body))
    };
    let _ = Echo::of(&send(&format!(r#"{{"Amount": 125.00, "apiKey": "{value}"}}"#)));
    assert_refused(&send(r#"{"Amount": 125.00}"#), 401, KEY_REQUIRED);
    assert_refused(&send(r#"{"apiKey": "lv_erp_unknown"}"#), 401, INVALID_KEY);
    let twice = format!(r#"{{"apiKey": "{value}", "apiKey": "lv_erp_x"}}"#);
    assert_refused(&send(&twice), 401, INVALID_KEY);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_of_a_key_has_one_format_and_an_error_of_a_token_another() {
    let auxvault = auxvault().await;
    let (made, value) = auxvault.operator.key(bound("erp", &[])).await;
    let unknown = format!("lv_erp_{}", "a".repeat(43));
    for bad in [&unknown, "lv_erp_", "hello"] {
        assert_refused(&auxvault.auxvault(TEST, bad, &[]), 401, INVALID_KEY);
    }
    let _ = auxvault.operator.revoke(&made.id).await;
    assert_refused(&auxvault.auxvault(TEST, &value, &[]), 401, INVALID_KEY);
    let token = ("Authorization", "Bearer eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.e30.c2ln");
    let answer = auxvault.send("GET /api/v1/merchants/merchant-456", &[token, ("X-Tenant-ID", "acme")]);
    assert_refused(&answer, 401, EXPIRED_JWT);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_scope_api_keys_manage_decides_who_creates_keys() {
    let auxvault = auxvault().await;
    let permissions = ["transactions.read", "transactions.write", "refunds.write"].map(str::to_owned);
    let wish = v1::CreateKeyRequest {
        name: "ERP Integration Key".to_owned(),
        scopes: permissions.to_vec(),
        bindings: HashMap::from([("merchant".to_owned(), "merchant-456".to_owned())]),
        expiry: Some(Expiry::Ttl(prost_types::Duration { seconds: 365 * 86_400, nanos: 0 })),
        ..v1::CreateKeyRequest::default()
    };
    let mut narrow = bound("secret", &[]);
    narrow.scopes = permissions.to_vec();
    let (_, plain) = auxvault.operator.key(narrow.clone()).await;
    let refused = auxvault.latchkey.caller(&plain).try_key(wish.clone()).await;
    assert_eq!(refused.expect_err("it may not").code(), Code::PermissionDenied);
    narrow.scopes.push("api_keys.manage".to_owned());
    let (_, manager) = auxvault.operator.key(narrow).await;
    let (made, value) = auxvault.latchkey.caller(&manager).key(wish.clone()).await;
    assert!(value.starts_with("lqv_live_sk_") && made.bindings["merchant"] == "merchant-456");
    assert_eq!(made.scopes, permissions, "in the order of the request");
    let seconds = |time: Option<prost_types::Timestamp>| time.expect("it has that time").seconds;
    assert_eq!(seconds(made.expire_time) - seconds(made.create_time), 365 * 86_400);
    let more = v1::CreateKeyRequest { scopes: vec!["customers.delete".to_owned()], ..wish };
    let refused = auxvault.latchkey.caller(&manager).try_key(more).await;
    assert_eq!(refused.expect_err("nobody grants what they lack").code(), Code::PermissionDenied);
}

#[tokio::test(flavor = "multi_thread")]
async fn signing_in_needs_no_key() {
    let auxvault = auxvault().await;
    for call in ["POST /api/v1/public/accesstoken", "POST /api/v1/public/refreshToken"] {
        let forged = ("x-auxvault-tenant", "victim");
        let echo = Echo::of(&auxvault.send(call, &[("X-Tenant-ID", "acme"), forged]));
        assert_eq!(echo.all("x-tenant-id"), ["acme"]);
        assert!(echo.all("x-auxvault-tenant").is_empty());
        assert_refused(
            &auxvault.send(&call.replace("POST", "GET"), &[("X-Tenant-ID", "acme")]),
            401,
            KEY_REQUIRED,
        );
    }
}
