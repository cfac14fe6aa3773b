//! The plan of the partner, the three headers, and the response to a client above its limit.

use std::collections::HashMap;

use latchkey_proto::v1;
use latchkey_testing::{Echo, both_ways, eventually_async, key};

use crate::{LIVE, PayKore, SANDBOX, rate, retry_after};

both_ways!(
    the_tier_decides_the_limit,
    the_headers_count_down_on_allowed_answers,
    denials_of_known_keys_have_the_headers,
    the_denial_of_a_limited_client_says_how_long_to_wait,
    a_starter_gets_three_hundred_a_minute,
    each_key_has_a_limit_of_its_own,
);

async fn custom(paykore: &PayKore, slug: &str, buckets: &str) {
    let ask = v1::CreateTenantRequest {
        slug: slug.to_owned(),
        display_name: slug.to_owned(),
        profile: "paykore".to_owned(),
        plan: "scale".to_owned(),
        rate_limits: HashMap::from([("default".to_owned(), buckets.to_owned())]),
    };
    paykore.operator.tenants().create_tenant(ask).await.expect("a tenant with limits of its own");
}

async fn the_tier_decides_the_limit(raw: bool) {
    let paykore = PayKore::open(raw, "starter").await;
    let _ = paykore.operator.tenant("big", "paykore", "growth").await;
    custom(&paykore, "huge", "key 20000/min").await;
    custom(&paykore, "burst", "key 20000/min burst 500").await;
    for (slug, limit) in [("acme", 300), ("big", 1_000), ("huge", 20_000), ("burst", 20_000)] {
        let (_, value) = paykore.operator.plain_key(slug, "live").await;
        let [limit_told, ..] = rate(&paykore.wallets(LIVE, &value));
        assert_eq!(limit_told, limit, "{slug}");
    }
}

async fn the_headers_count_down_on_allowed_answers(raw: bool) {
    let paykore = PayKore::open(raw, "starter").await;
    custom(&paykore, "slow", "key 60/h").await;
    let (key, value) = paykore.operator.plain_key("slow", "live").await;
    let made = key.create_time.expect("a key was made at a time").seconds.unsigned_abs();
    for used in 1..=5 {
        let [limit, remaining, reset] = rate(&paykore.wallets(LIVE, &value));
        assert_eq!((limit, remaining), (60, 60 - used));
        // The bucket is full again an hour after the last call.
        assert!(reset > made + 3_500 && reset <= made + 4_500, "reset {reset}, made {made}, used {used}");
    }
}

async fn denials_of_known_keys_have_the_headers(raw: bool) {
    let paykore = PayKore::open(raw, "starter").await;
    let (key, value) = paykore.operator.plain_key("acme", "live").await;
    let wrong_environment = paykore.wallets(SANDBOX, &value);
    assert_eq!((wrong_environment.status, rate(&wrong_environment)[0]), (401, 300));
    let [_, remaining, _] = rate(&paykore.wallets(LIVE, &value));
    assert_eq!(remaining, 299, "a denied call costs nothing");
    let _ = paykore.operator.revoke(&key.id).await;
    let revoked = paykore.wallets(LIVE, &value);
    assert_eq!((revoked.status, rate(&revoked)[0]), (401, 300));
}

async fn the_denial_of_a_limited_client_says_how_long_to_wait(raw: bool) {
    let paykore = PayKore::open(raw, "starter").await;
    custom(&paykore, "slow", "key 2/min").await;
    let (_, value) = paykore.operator.plain_key("slow", "live").await;
    for _ in 0..2 {
        let _ = Echo::of(&paykore.wallets(LIVE, &value));
    }
    let message = "Too many requests. Slow down and retry after the indicated time.";
    let mut last = u64::MAX;
    for _ in 0..3 {
        let answer = paykore.wallets(LIVE, &value);
        paykore.assert_error(&answer, "RATE_LIMIT_EXCEEDED", message);
        let wait = retry_after(&answer);
        assert!((1..=60).contains(&wait) && wait <= last, "wait {wait} after {last}");
        last = wait;
        let [limit, remaining, reset] = rate(&answer);
        assert_eq!((limit, remaining), (2, 0));
        assert!(reset > 1_700_000_000, "Unix seconds");
    }
    assert_eq!(paykore.envoy.upstream().seen(), 2);
}

async fn a_starter_gets_three_hundred_a_minute(raw: bool) {
    let paykore = PayKore::open(raw, "starter").await;
    let value = paykore.value("live").await;
    let spend = async |cost: u32| {
        let ask = v1::CheckRequest {
            credential: value.clone(),
            cost: Some(cost),
            scopes_only: true,
            ..v1::CheckRequest::default()
        };
        paykore.operator.check(ask).await
    };
    assert_eq!(spend(299).await.decision(), v1::Decision::Allow);
    assert_eq!(paykore.wallets(LIVE, &value).status, 200);
    eventually_async("300 pass in a minute", async || {
        // Five a second come back; what a slow machine has got back is spent before each attempt.
        let left = spend(0).await.rate_limits[0].remaining;
        let _ = spend(u32::try_from(left).expect("300 at most")).await;
        (paykore.wallets(LIVE, &value).status == 429).then_some(())
    })
    .await;
}

async fn each_key_has_a_limit_of_its_own(raw: bool) {
    let paykore = PayKore::open(raw, "starter").await;
    let mut ask = key("acme", "live");
    ask.rate_limits = HashMap::from([("default".to_owned(), "1/min".to_owned())]);
    let (_, narrow) = paykore.operator.key(ask).await;
    let wide = paykore.value("live").await;
    assert_eq!([200, 429], [(); 2].map(|()| paykore.wallets(LIVE, &narrow).status));
    assert_eq!(rate(&paykore.wallets(LIVE, &wide))[..2], [300, 299]);
}
