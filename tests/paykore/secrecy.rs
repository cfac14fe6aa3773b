//! Only Latchkey receives the key: the service behind the proxy doesn't get it, and no log contains it.

use latchkey_testing::{Echo, both_ways};

use crate::{LIVE, PayKore, wallets};

both_ways!(the_service_does_not_get_the_key, the_log_contains_no_key, no_request_passes_during_an_outage);

async fn the_service_does_not_get_the_key(raw: bool) {
    let paykore = PayKore::open(raw, "starter").await;
    let value = paykore.value("live").await;
    let bearer = wallets(LIVE).header("authorization", format!("Bearer {value}"));
    let both = bearer.clone().header("x-api-key", &value);
    for request in [wallets(LIVE).header("x-api-key", &value), bearer, both] {
        let echo = Echo::of(&paykore.envoy.send(&request));
        assert!(!echo.text().contains(&value), "{}", echo.text());
    }
}

async fn the_log_contains_no_key(raw: bool) {
    let paykore = PayKore::open(raw, "starter").await;
    let value = paykore.value("live").await;
    let unknown = format!("sk_live_{}", "7".repeat(64));
    for key in [value.as_str(), &unknown, "sk_live_malformed_canary"] {
        let _ = paykore.wallets(LIVE, key);
    }
    let log = paykore.latchkey.log();
    for secret in [value.as_str(), &unknown, "malformed_canary", latchkey_testing::ROOT_KEY] {
        assert!(!log.contains(secret), "the log tells a key");
    }
}

async fn no_request_passes_during_an_outage(raw: bool) {
    let paykore = PayKore::open(raw, "starter").await;
    let value = paykore.value("live").await;
    let _ = Echo::of(&paykore.wallets(LIVE, &value));
    paykore.latchkey.kill();
    let answer = paykore.wallets(LIVE, &value);
    assert_eq!((answer.status, answer.body.as_str()), (403, ""));
    assert_eq!(paykore.envoy.upstream().seen(), 1);
}
