//! Methods, letter case and merchants in the routes of the shipped products.

use latchkey_proto::v1;
use latchkey_testing::{Echo, EnvoySetup, Request, key, scoped, user};

use crate::Product;

const AUXVAULT: &str = "dev.auxcore.net";
const PASSWORD: &str = "your-secure-password-of-2026";

fn auxvault_key(kind: &str, scopes: &[&str]) -> v1::CreateKeyRequest {
    let mut ask = key("acme", "live");
    kind.clone_into(&mut ask.kind);
    ask.scopes = scopes.iter().map(|scope| (*scope).to_owned()).collect();
    let bindings: &[(&str, &str)] = match kind {
        "processing" => &[("merchant", "m-1"), ("gateway", "g-1")],
        "standard" => &[("merchant", "m-1")],
        _ => &[],
    };
    ask.bindings = bindings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    ask
}

/// Returns the status of `METHOD PATH` with a key of `acme`.
fn status(product: &Product, call: &str, key: &str) -> u16 {
    let headers = [("x-api-key", key), ("X-Tenant-ID", "acme"), ("content-length", "0")];
    product.send(call, &headers).status
}

#[tokio::test(flavor = "multi_thread")]
async fn a_narrow_key_reaches_no_route_by_another_method_or_letter_case() {
    let auxvault = Product::open("auxvault", AUXVAULT).await;
    let (_, value) = auxvault.operator.key(auxvault_key("erp", &["invoices.read"])).await;
    for call in [
        "POST /api/v1/transactions/7/void",
        "POST /api/v1/Transactions/7/void",
        "POST /api/v1/transactions/7/VOID",
        "DELETE /api/v1/transactions/7/void",
        "GET /api/v1/reports/export",
        "HEAD /api/v1/reports/export",
        "POST /api/v1/reports/export",
        "OPTIONS /api/v1/reports/export",
        "GET /api/v1/public/Transaction",
        "DELETE /api/v1/public/transaction",
        "POST /API/v1/invoices",
        "POST /api/v1/batches",
        "GET /api/v1/batches",
        "DELETE /api/v1/webhooks/1",
        "POST /api/v1/merchants",
    ] {
        assert_eq!(status(&auxvault, call, &value), 403, "{call}");
    }
    for call in ["GET /api/v1/invoices", "HEAD /api/v1/invoices/i-1", "GET /api/v1/merchants"] {
        assert_eq!(status(&auxvault, call, &value), 200, "{call}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_writing_erp_key_changes_a_merchant() {
    let auxvault = Product::open("auxvault", AUXVAULT).await;
    for (ask, allowed) in [
        (auxvault_key("processing", &["transactions.read", "transactions.write"]), false),
        (auxvault_key("standard", &["reports.read"]), false),
        (auxvault_key("secret", &["transactions.read"]), false),
        (auxvault_key("erp", &["transactions.read"]), false),
        (auxvault_key("erp", &["transactions.write"]), true),
    ] {
        let (made, value) = auxvault.operator.key(ask).await;
        assert_eq!(status(&auxvault, "GET /api/v1/merchants/m-1", &value), 200, "{}", made.kind);
        for method in ["PUT", "DELETE", "PATCH"] {
            let expected = if allowed { 200 } else { 403 };
            let call = format!("{method} /api/v1/merchants/m-1");
            assert_eq!(status(&auxvault, &call, &value), expected, "{call} {} {:?}", made.kind, made.scopes);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_reads_below_a_merchant_what_its_permissions_name() {
    let auxvault = Product::open("auxvault", AUXVAULT).await;
    for (ask, customers, transactions, settings) in [
        (auxvault_key("secret", &["reports.read"]), 403, 403, 403),
        (auxvault_key("secret", &["customers.read"]), 200, 403, 403),
        (auxvault_key("standard", &[]), 403, 200, 403),
        (auxvault_key("erp", &[]), 200, 200, 200),
    ] {
        let (made, value) = auxvault.operator.key(ask).await;
        for (path, expected) in [
            ("/api/v1/merchants/m-1", 200),
            ("/api/v1/merchants/m-1/customers", customers),
            ("/api/v1/merchants/m-1/transactions/7", transactions),
            ("/api/v1/merchants/m-1/settings", settings),
            ("/api/v1/merchants/m-1/api-keys", 403),
        ] {
            let answered = status(&auxvault, &format!("GET {path}"), &value);
            assert_eq!(answered, expected, "{path} {} {:?}", made.kind, made.scopes);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_key_of_lumen_has_every_method_of_pricing_tables() {
    let lumen = Product::open("lumen", "api.getlumen.dev").await;
    for (kind, changes) in [("secret", 200), ("publishable", 403)] {
        let mut ask = key("acme", "live");
        kind.clone_into(&mut ask.kind);
        let (_, value) = lumen.operator.key(ask).await;
        for (call, expected) in [
            ("GET /v1/pricing-tables", 200),
            ("POST /v1/pricing-tables", changes),
            ("PATCH /v1/pricing-tables/pt_1", changes),
            ("DELETE /v1/pricing-tables/pt_1", changes),
        ] {
            assert_eq!(status(&lumen, call, &value), expected, "{call} {kind}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn information_about_a_payment_method_needs_its_own_scope() {
    let luxcore = Product::open("luxcore", "api.lux-core.io").await;
    for (scope, methods, payment) in [("payments.read", 403, 200), ("payments.methods", 200, 403)] {
        let mut ask = scoped("acme", &[scope]);
        "test".clone_into(&mut ask.environment);
        let (_, value) = luxcore.operator.key(ask).await;
        for (call, expected) in [
            ("GET /v1/payments/methods", methods),
            ("GET /v1/payments/methods/card", methods),
            ("GET /v1/payments/pay_1", payment),
        ] {
            assert_eq!(status(&luxcore, call, &value), expected, "{call} {scope}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_users_token_is_for_keys_users_and_settings_and_a_key_beside_it_decides() {
    let auxvault = Product::open("auxvault", AUXVAULT).await;
    let _ = auxvault.operator.user(user("acme", ("a@acme.dev", PASSWORD), "merchant")).await;
    let signs_in = v1::IssueJwtRequest {
        tenant: "acme".to_owned(),
        grant: Some(v1::issue_jwt_request::Grant::Password(v1::PasswordGrant {
            email: "a@acme.dev".to_owned(),
            password: PASSWORD.to_owned(),
        })),
        ..v1::IssueJwtRequest::default()
    };
    let token =
        auxvault.latchkey.anonymous().tokens().issue_jwt(signs_in).await.expect("a token").into_inner();
    let bearer = format!("Bearer {}", token.access_token);
    let tenant = ("X-Tenant-ID", "acme");
    for call in ["GET /api/v1/users", "GET /api/v1/settings/x", "GET /api/v1/api-keys"] {
        let _ = Echo::of(&auxvault.send(call, &[("authorization", &bearer), tenant]));
    }
    let (_, value) = auxvault.operator.key(auxvault_key("secret", &["reports.read"])).await;
    let both = [("authorization", bearer.as_str()), ("x-api-key", value.as_str()), tenant];
    let echo = Echo::of(&auxvault.send("GET /api/v1/reports/x", &both));
    assert!(echo.all("authorization").is_empty() && echo.all("x-api-key").is_empty());
    assert_eq!(echo.all("x-auxvault-environment"), ["live"]);
    assert_eq!(auxvault.send("GET /api/v1/users", &both).status, 403, "the key decides");
    // Only users may call the routes of users and settings, whatever scopes a key has.
    let mut manager = auxvault_key("erp", &["api_keys.manage"]);
    manager.all_scopes = true;
    let (_, value) = auxvault.operator.key(manager).await;
    for call in ["DELETE /api/v1/users/1", "PUT /api/v1/settings", "GET /api/v1/users"] {
        assert_eq!(auxvault.send(call, &[("x-api-key", &value), tenant]).status, 403, "{call}");
    }
    let _ = Echo::of(&auxvault.send("GET /api/v1/api-keys", &[("x-api-key", &value), tenant]));
    for scope in ["users.manage", "settings.manage"] {
        let refused = auxvault.operator.try_key(auxvault_key("secret", &[scope])).await;
        assert!(refused.is_err(), "no key has {scope}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_in_a_large_body_is_found() {
    let setup = EnvoySetup { body: Some(65_536), whole_body: true, ..EnvoySetup::default() };
    let auxvault = Product::asked("auxvault", AUXVAULT, &setup).await;
    let (_, value) = auxvault.operator.key(auxvault_key("secret", &["transactions.write"])).await;
    let post = |size: usize| {
        let body = format!(r#"{{"note":"{}","apiKey":"{value}"}}"#, "x".repeat(size));
        let request = Request::new("POST", AUXVAULT, "/api/v1/public/transaction");
        auxvault.envoy.send(&request.header("X-Tenant-ID", "acme").json(&body)).status
    };
    assert_eq!(post(20_000), 200);
    assert_eq!(post(70_000), 413);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_request_needs_what_a_get_needs() {
    let luxcore = Product::open("luxcore", "api.lux-core.io").await;
    let mut ask = scoped("acme", &["balance.read"]);
    "production".clone_into(&mut ask.environment);
    let (_, value) = luxcore.operator.key(ask).await;
    for (call, expected) in
        [("HEAD /v1/balance", 200), ("HEAD /v1/payments/p_1", 403), ("POST /v1/balance", 403)]
    {
        let headers = [("x-api-key", value.as_str()), ("content-length", "0")];
        assert_eq!(luxcore.send(call, &headers).status, expected, "{call}");
    }
    let lumen = Product::open("lumen", "api.getlumen.dev").await;
    let mut ask = key("acme", "live");
    ask.kind = "publishable".to_owned();
    let (_, value) = lumen.operator.key(ask).await;
    let bearer = format!("Bearer {value}");
    assert_eq!(lumen.send("HEAD /v1/pricing-tables/p_1", &[("authorization", &bearer)]).status, 200);
    assert_eq!(lumen.send("HEAD /v1/subscriptions", &[("authorization", &bearer)]).status, 403);
    assert_eq!(lumen.send("OPTIONS /v1/pricing-tables/p_1", &[]).status, 200, "a preflight");
}
