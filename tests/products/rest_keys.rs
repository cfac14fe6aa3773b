//! AuxVault's `POST /api/v1/api-keys`, with a user's token as its documentation shows it and with a key.

use std::collections::HashMap;

use latchkey_proto::v1;
use latchkey_testing::key;
use serde_json::json;

use crate::Product;

const PERMISSIONS: [&str; 5] =
    ["transactions.read", "transactions.write", "refunds.write", "customers.read", "customers.write"];
const CALL: &str = "POST /api/v1/api-keys";

async fn auxvault() -> Product {
    Product::counter("auxvault", "dev.auxcore.net", "/api/v1/").await
}

fn wish() -> String {
    let name = "ERP Integration Key";
    json!({ "merchantId": "merchant-456", "name": name, "permissions": PERMISSIONS, "expiresInDays": 365 })
        .to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_makes_a_key_as_documented() {
    let auxvault = auxvault().await;
    let ask = v1::CreateUserRequest {
        tenant: "acme".to_owned(),
        email: "admin@yourcompany.com".to_owned(),
        password: "your-secure-password-of-2026".to_owned(),
        role: "merchant".to_owned(),
        bindings: HashMap::from([("merchant".to_owned(), "merchant-456".to_owned())]),
        ..v1::CreateUserRequest::default()
    };
    auxvault.operator.tenants().create_user(ask).await.expect("a user");
    let body = r#"{"email":"admin@yourcompany.com","password":"your-secure-password-of-2026"}"#;
    let signed = auxvault.json("POST /api/v1/public/accesstoken", &[("X-Tenant-ID", "acme")], body);
    let bearer = format!("Bearer {}", signed.json()["data"]["token"].as_str().expect("a token"));
    let made = auxvault.json(CALL, &[("Authorization", &bearer), ("X-Tenant-ID", "acme")], &wish());
    assert_eq!(made.status, 200, "{made:?}");
    let mut data = made.json()["data"].take();
    let (id, value, time) = (data["id"].take(), data["key"].take(), data["createdAt"].take());
    assert!(id.as_str().is_some_and(|id| id.starts_with("key_")));
    assert!(value.as_str().is_some_and(|value| value.starts_with("lqv_live_sk_")));
    assert!(time.as_str().is_some_and(|time| time.len() == 20 && time.ends_with('Z')));
    let mut sorted = PERMISSIONS;
    sorted.sort_unstable();
    let documented = json!({ "id": null, "name": "ERP Integration Key", "key": null, "permissions": sorted, "createdAt": null });
    assert_eq!(data, documented);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_with_api_keys_manage_makes_keys_and_another_does_not() {
    let auxvault = auxvault().await;
    let mut ask = key("acme", "live");
    ask.kind = "erp".to_owned();
    let (_, manager) = auxvault.operator.key(ask).await;
    let headers = [("x-api-key", manager.as_str()), ("X-Tenant-ID", "acme")];
    let made = auxvault.json(CALL, &headers, &wish());
    assert_eq!(made.status, 200, "{made:?}");
    let id = made.json()["data"]["id"].as_str().expect("an id").to_owned();
    let key = auxvault.operator.keys().get_key(v1::GetKeyRequest { id }).await.expect("a key").into_inner();
    let seconds = |time: Option<prost_types::Timestamp>| time.expect("it has that time").seconds;
    assert_eq!(seconds(key.expire_time) - seconds(key.create_time), 365 * 86_400);
    assert_eq!(key.bindings["merchant"], "merchant-456");
    let value = made.json()["data"]["key"].as_str().expect("a value").to_owned();
    let refused = auxvault.json(CALL, &[("x-api-key", &value), ("X-Tenant-ID", "acme")], &wish());
    let error = json!({ "code": "FORBIDDEN", "message": "Missing permission: api_keys.manage" });
    assert_eq!((refused.status, refused.json()), (403, json!({ "success": false, "error": error })));
    let plain = auxvault.json(CALL, &headers, r#"{"name":"x","expiresInDays":99999999999999}"#);
    assert_eq!(plain.status, 400, "{plain:?}");
}
