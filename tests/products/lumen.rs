//! Lumen: secret keys do everything, publishable ones fetch pricing tables and can be read again.

use latchkey_proto::v1;
use latchkey_testing::{Answer, Echo, field_mask, key};
use tonic::Code;

use crate::{Product, assert_refused};

const INVALID: &str = r#"{"success":false,"error":{"code":"unauthorized","message":"The API key is invalid or has been revoked."}}"#;
const FORBIDDEN: &str =
    r#"{"success":false,"error":{"code":"forbidden","message":"This API key is not allowed to do this."}}"#;
const ANYTHING: [&str; 4] =
    ["GET /v1/customers", "POST /v1/subscriptions", "GET /v1/api-keys", "DELETE /v1/api-keys/apk_1"];
const PRICING: &str = "GET /v1/pricing-tables/pt_1";

async fn lumen() -> Product {
    Product::open("lumen", "api.getlumen.dev").await
}

impl Product {
    fn lumen(&self, call: &str, key: &str) -> Answer {
        self.send(call, &[("authorization", &format!("Bearer {key}"))])
    }

    async fn lumen_key(&self, kind: &str, environment: &str) -> (v1::Key, String) {
        let mut ask = key("acme", environment);
        ask.kind = kind.to_owned();
        self.operator.key(ask).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_key_has_full_access_in_either_environment() {
    let lumen = lumen().await;
    for (environment, prefix) in [("live", "lum_sk_live_"), ("test", "lum_sk_test_")] {
        let (made, value) = lumen.lumen_key("secret", environment).await;
        assert!(value.starts_with(prefix) && made.prefix == prefix);
        for call in ANYTHING.iter().chain([&PRICING]) {
            let echo = Echo::of(&lumen.lumen(call, &value));
            assert_eq!(echo.all("x-lumen-environment"), [environment]);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_publishable_key_fetches_pricing_tables_and_nothing_else() {
    let lumen = lumen().await;
    for (environment, prefix) in [("live", "lum_pk_live_"), ("test", "lum_pk_test_")] {
        let (made, value) = lumen.lumen_key("publishable", environment).await;
        assert!(value.starts_with(prefix) && made.prefix == prefix);
        let _ = Echo::of(&lumen.lumen(PRICING, &value));
        for call in ANYTHING {
            assert_refused(&lumen.lumen(call, &value), 403, FORBIDDEN);
        }
        assert_refused(&lumen.lumen("POST /v1/pricing-tables/pt_1", &value), 403, FORBIDDEN);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_request_needs_a_key() {
    let lumen = lumen().await;
    let body = r#"{"success":false,"error":{"code":"unauthorized","message":"A secret merchant API key is required."}}"#;
    for call in ANYTHING.iter().chain([&PRICING]) {
        assert_refused(&lumen.send(call, &[]), 401, body);
    }
    let _ = Echo::of(&lumen.send("OPTIONS /v1/pricing-tables/pt_1", &[("origin", "https://shop.example")]));
    assert_refused(&lumen.lumen(PRICING, "lum_sk_live_x"), 401, INVALID);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_publishable_value_can_be_read_again_and_a_secret_one_never() {
    let lumen = lumen().await;
    let (secret, secret_value) = lumen.lumen_key("secret", "live").await;
    let (publishable, value) = lumen.lumen_key("publishable", "live").await;
    let merchant = lumen.latchkey.caller(&secret_value);
    let ask = v1::GetPublishableKeyRequest { environment: "live".to_owned(), ..Default::default() };
    let again = merchant.keys().get_publishable_key(ask).await.expect("a publishable key").into_inner();
    assert_eq!((again.id, again.value), (publishable.id, value));
    let read = merchant.keys().get_key(v1::GetKeyRequest { id: secret.id }).await.expect("a key");
    assert!(read.get_ref().value.is_empty());
    let all = merchant.keys().list_keys(v1::ListKeysRequest::default()).await.expect("a list").into_inner();
    assert!(all.keys.len() == 2 && all.keys.iter().all(|key| key.value.is_empty()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revocation_holds_at_once_and_for_good() {
    let lumen = lumen().await;
    let (made, value) = lumen.lumen_key("secret", "live").await;
    let _ = Echo::of(&lumen.lumen(ANYTHING[0], &value));
    let revoked = lumen.operator.revoke(&made.id).await.key.expect("the revoked key is returned");
    assert!(revoked.revoke_time.is_some() && revoked.id == made.id);
    assert_refused(&lumen.lumen(ANYTHING[0], &value), 401, INVALID);
    let ask = v1::RevokeKeyRequest { id: made.id.clone(), ..v1::RevokeKeyRequest::default() };
    let again = lumen.operator.keys().revoke_key(ask).await.expect("it is revoked").into_inner();
    assert_eq!(again.key.expect("the key").revoke_time, revoked.revoke_time);
    let ask = v1::UpdateKeyRequest {
        key: Some(v1::Key { id: made.id, ..v1::Key::default() }),
        update_mask: Some(field_mask(&["disabled"])),
    };
    let back = lumen.operator.keys().update_key(ask).await;
    assert_eq!(back.expect_err("it is irreversible").code(), Code::FailedPrecondition);
    assert_refused(&lumen.lumen(ANYTHING[0], &value), 401, INVALID);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_live_unless_it_says_test() {
    let lumen = lumen().await;
    let (made, _) = lumen.lumen_key("secret", "").await;
    assert_eq!(made.environment, "live");
}
