//! AuxVault's own calls, as its documentation shows them: through Envoy, answered by the document.

use std::collections::HashMap;

use latchkey_proto::v1;
use latchkey_testing::{Answer, Echo, Request, key};
use serde_json::{Value, json};

use crate::{Product, assert_refused};

const PASSWORD: &str = "your-secure-password-of-2026";
const WRONG_LOGIN: &str =
    r#"{"success":false,"error":{"code":"UNAUTHORIZED","message":"Invalid email or password"}}"#;
/// Failed logins that lock an account for an address.
const FAILURES: usize = 100;

async fn auxvault() -> Product {
    let product = Product::counter("auxvault", "dev.auxcore.net", "/api/v1/public/").await;
    let ask = v1::CreateUserRequest {
        tenant: "acme".to_owned(),
        email: "admin@yourcompany.com".to_owned(),
        password: PASSWORD.to_owned(),
        role: "merchant".to_owned(),
        bindings: HashMap::from([("merchant".to_owned(), "merchant-456".to_owned())]),
        ..v1::CreateUserRequest::default()
    };
    product.operator.tenants().create_user(ask).await.expect("a user");
    product
}

fn login(password: &str) -> String {
    json!({ "email": "admin@yourcompany.com", "password": password }).to_string()
}

fn sign_in(auxvault: &Product, password: &str) -> Answer {
    auxvault.json("POST /api/v1/public/accesstoken", &[("X-Tenant-ID", "acme")], &login(password))
}

/// Logs in at Latchkey's HTTP port as the Envoy on this machine does, with this `X-Forwarded-For`.
fn sign_in_from(auxvault: &Product, forwarded: &str, password: &str) -> Answer {
    let request = Request::new("POST", auxvault.host, "/api/v1/public/accesstoken")
        .header("X-Tenant-ID", "acme")
        .header("X-Forwarded-For", forwarded);
    request.json(&login(password)).send(auxvault.latchkey.http())
}

fn field(answer: &Answer, name: &str) -> String {
    answer.json()["data"][name].as_str().unwrap_or_else(|| panic!("no {name} in {answer:?}")).to_owned()
}

/// Decodes a part of a token: JSON in base64url.
fn part(token: &str, number: usize) -> Value {
    const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let text = token.split('.').nth(number).expect("a token has three parts");
    let digit = |byte: u8| DIGITS.iter().position(|d| *d == byte).expect("base64url");
    let bits = text.bytes().flat_map(|byte| (0..6).rev().map(move |bit| (digit(byte) >> bit) & 1));
    let bits: Vec<usize> = bits.collect();
    let bytes = bits.chunks_exact(8).map(|eight| eight.iter().fold(0, |byte, bit| (byte << 1) | bit));
    let bytes: Vec<u8> = bytes.map(|byte| u8::try_from(byte).expect("eight bits")).collect();
    serde_json::from_slice(&bytes).expect("JSON")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_is_tested_as_documented() {
    let auxvault = auxvault().await;
    let call = "POST /api/v1/public/testConnection";
    let mut ask = key("acme", "live");
    ask.kind = "erp".to_owned();
    let (_, value) = auxvault.operator.key(ask).await;
    for (merchant, output) in [(Some("merchant-456"), json!("merchant-456")), (None, Value::Null)] {
        let mut headers = vec![("x-api-key", value.as_str()), ("X-Tenant-ID", "acme")];
        headers.extend(merchant.map(|merchant| ("X-Merchant-ID", merchant)));
        let answer = auxvault.send(call, &headers);
        assert_eq!(answer.status, 200, "{answer:?}");
        let mut body = answer.json();
        let time = body["data"]["timestamp"].take();
        assert!(time.as_str().is_some_and(|time| time.len() == 24 && time.ends_with('Z')), "{time}");
        let data = json!({
            "platform": "AuxVault", "version": "2.0.0", "tenantId": "acme", "merchantId": output, "timestamp": null,
        });
        let documented = json!({ "success": true, "message": "Connection successful", "data": data });
        assert_eq!(body, documented);
    }
    assert_eq!(auxvault.send(call, &[("X-Tenant-ID", "acme")]).status, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_gets_a_token_of_a_day_as_documented() {
    let auxvault = auxvault().await;
    let answer = sign_in(&auxvault, PASSWORD);
    let mut body = answer.json();
    assert_eq!(answer.status, 200, "{answer:?}");
    let token = field(&answer, "token");
    let (head, claims) = (part(&token, 0), part(&token, 1));
    assert_eq!(head["alg"], "HS256", "as the sample has it");
    let time = |claim: &str| claims[claim].as_i64().expect("a time");
    assert_eq!(time("exp") - time("iat"), 24 * 3_600);
    assert!(body["data"]["refreshToken"].take().is_string());
    let id = body["data"]["user"]["id"].take();
    assert!(id.as_str().is_some_and(|id| id.starts_with("user-")), "{id}");
    let user = json!({ "id": null, "email": "admin@yourcompany.com", "role": "merchant", "merchantId": "merchant-456" });
    assert_eq!(body["data"]["user"], user);
    let call = "GET /api/v1/merchants/merchant-456";
    let bearer = format!("Bearer {token}");
    let _ = Echo::of(&auxvault.send(call, &[("Authorization", &bearer), ("X-Tenant-ID", "acme")]));
    let other = auxvault
        .send("GET /api/v1/merchants/merchant-789", &[("Authorization", &bearer), ("X-Tenant-ID", "acme")]);
    assert_eq!(other.status, 403);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_and_a_missing_tenant_are_the_products_own_401() {
    let auxvault = auxvault().await;
    assert_refused(&sign_in(&auxvault, "wrong-password-of-the-day"), 401, WRONG_LOGIN);
    let tenant =
        r#"{"success":false,"error":{"code":"TENANT_REQUIRED","message":"X-Tenant-ID header is required"}}"#;
    let answer = auxvault.json("POST /api/v1/public/accesstoken", &[], r#"{"email":"a","password":"b"}"#);
    assert_refused(&answer, 401, tenant);
    let lacking = auxvault.json("POST /api/v1/public/accesstoken", &[("X-Tenant-ID", "acme")], "{}");
    let error = json!({ "code": "INVALID_ARGUMENT", "message": "email is required. password is required." });
    assert_eq!((lacking.status, lacking.json()), (400, json!({ "success": false, "error": error })));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_refreshed_without_the_password() {
    let auxvault = auxvault().await;
    let refresh = |token: &str| {
        let body = json!({ "refreshToken": token }).to_string();
        auxvault.json("POST /api/v1/public/refreshToken", &[("X-Tenant-ID", "acme")], &body)
    };
    let first = field(&sign_in(&auxvault, PASSWORD), "refreshToken");
    let answer = refresh(&first);
    assert_eq!(answer.status, 200, "{answer:?}");
    assert!(field(&answer, "token").starts_with("eyJ") && field(&answer, "refreshToken") != first);
    assert_eq!(refresh("nonsense").status, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_passwords_of_one_client_lock_the_account_for_that_client_alone() {
    let auxvault = auxvault().await;
    let (own, strangers) = ("203.0.113.7", "198.51.100.66");
    // The stranger sends the user's own address, and Envoy appends the address of its peer.
    let forged = format!("{own}, {strangers}");
    let (mut failures, mut busy) = (0, 0);
    while failures < FAILURES {
        let refused = sign_in_from(&auxvault, &forged, "wrong-password-of-the-day");
        // 429: too many passwords are being hashed. Such a login does not count.
        if refused.status == 429 {
            busy += 1;
            assert!(busy < 1_000, "most logins are decided");
        } else {
            assert_refused(&refused, 401, WRONG_LOGIN);
            failures += 1;
        }
    }
    let locked = sign_in_from(&auxvault, strangers, PASSWORD);
    assert_refused(&locked, 401, WRONG_LOGIN);
    let answer = sign_in_from(&auxvault, own, PASSWORD);
    assert_eq!(answer.status, 200, "{answer:?}");
}
