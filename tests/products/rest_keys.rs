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

/// Returns the token of a user who is bound to merchant-456.
async fn token_of_a_merchants_user(auxvault: &Product) -> String {
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
    signed.json()["data"]["token"].as_str().expect("a token").to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_of_one_merchant_manages_the_keys_of_that_merchant_alone() {
    let auxvault = auxvault().await;
    let user = auxvault.latchkey.caller(&token_of_a_merchants_user(&auxvault).await);
    let of = |kind: &str, merchant: &str| {
        let mut ask = key("acme", "live");
        ask.kind = kind.to_owned();
        if !merchant.is_empty() {
            ask.bindings = [("merchant", merchant), ("gateway", "g-1")]
                .map(|(name, id)| (name.to_owned(), id.to_owned()))
                .into();
        }
        ask
    };
    let (own, own_value) = auxvault.operator.key(of("processing", "merchant-456")).await;
    for ask in [of("processing", "merchant-789"), of("erp", "")] {
        let id = auxvault.operator.key(ask).await.0.id;
        let revoke = v1::RevokeKeyRequest { id: id.clone(), reason: String::new() };
        let refused = user.keys().revoke_key(revoke).await.expect_err("another merchant's");
        assert_eq!(refused.code(), tonic::Code::NotFound);
        let named = v1::Key { id, name: "mine".to_owned(), ..v1::Key::default() };
        let update_mask = Some(latchkey_testing::field_mask(&["name"]));
        let rename = v1::UpdateKeyRequest { key: Some(named), update_mask };
        let refused = user.keys().update_key(rename).await.expect_err("another merchant's");
        assert_eq!(refused.code(), tonic::Code::NotFound);
    }
    let listed = user.keys().list_keys(v1::ListKeysRequest::default()).await.expect("a list").into_inner();
    let ids: Vec<&str> = listed.keys.iter().map(|key| key.id.as_str()).collect();
    assert_eq!(ids, [own.id.as_str()], "its own merchant's alone");
    // Each merchant's processing key can be read again, not only the newest of the tenant.
    let _ = auxvault.operator.key(of("processing", "merchant-789")).await;
    let read = user.keys().get_publishable_key(v1::GetPublishableKeyRequest::default()).await;
    assert_eq!(read.expect("the merchant's own").into_inner().value, own_value);
    assert!(user.revoke(&own.id).await.key.expect("the key").revoke_time.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_makes_a_key_as_documented() {
    let auxvault = auxvault().await;
    let bearer = format!("Bearer {}", token_of_a_merchants_user(&auxvault).await);
    let made = auxvault.json(CALL, &[("Authorization", &bearer), ("X-Tenant-ID", "acme")], &wish());
    assert_eq!(made.status, 200, "{made:?}");
    let mut data = made.json()["data"].take();
    let (id, value, time) = (data["id"].take(), data["key"].take(), data["createdAt"].take());
    assert!(id.as_str().is_some_and(|id| id.starts_with("key_")));
    assert!(value.as_str().is_some_and(|value| value.starts_with("lqv_live_sk_")));
    assert!(time.as_str().is_some_and(|time| time.len() == 20 && time.ends_with('Z')));
    let documented = json!({ "id": null, "name": "ERP Integration Key", "key": null, "permissions": PERMISSIONS, "createdAt": null });
    assert_eq!(data, documented);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_with_api_keys_manage_makes_keys_and_another_does_not() {
    let auxvault = auxvault().await;
    let mut ask = key("acme", "live");
    ask.kind = "erp".to_owned();
    (ask.all_scopes, ask.scopes) = (true, vec!["api_keys.manage".to_owned()]);
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
    assert!(plain.body.contains("expiresInDays"), "the product's own field is named: {}", plain.body);
    let typo = auxvault.json(CALL, &headers, r#"{"name":"x","permission":["reports.read"]}"#);
    assert!(typo.status == 400 && typo.body.contains("permissions"), "{typo:?}");
    for permissions in ["[]", "null"] {
        let body = format!(r#"{{"name":"x","permissions":{permissions}}}"#);
        let made = auxvault.json(CALL, &headers, &body);
        assert_eq!((made.status, &made.json()["data"]["permissions"]), (200, &json!([])), "{made:?}");
    }
}
