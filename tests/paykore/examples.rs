//! Sending the key, the two environments, and the three errors.

use latchkey_proto::v1::create_key_request::Expiry;
use latchkey_testing::{Echo, both_ways, eventually, key};

use crate::{LIVE, PayKore, SANDBOX, wallets};

both_ways!(
    a_key_has_the_form_that_the_documentation_shows,
    the_key_is_taken_in_both_ways,
    each_key_works_against_its_own_environment_alone,
    the_denial_of_a_request_without_a_key_says_to_add_one,
    an_unknown_key_is_invalid,
    a_revoked_key_is_invalid,
    the_denial_of_an_expired_key_names_its_date,
    a_host_that_is_not_paykores_is_no_way_in,
);

async fn a_key_has_the_form_that_the_documentation_shows(raw: bool) {
    let paykore = PayKore::open(raw, "starter").await;
    for (environment, prefix) in [("live", "sk_live_"), ("test", "sk_test_")] {
        let (key, value) = paykore.operator.plain_key("acme", environment).await;
        let random = value.strip_prefix(prefix).unwrap_or_else(|| panic!("not {prefix}"));
        assert_eq!(random.len(), 64);
        assert!(random.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')));
        assert_eq!(key.prefix, prefix);
        assert!(value.ends_with(&key.hint) && key.hint.len() == 4);
        assert!(key.value.is_empty(), "there is no reveal-key option");
    }
}

async fn the_key_is_taken_in_both_ways(raw: bool) {
    let paykore = PayKore::open(raw, "starter").await;
    for (host, environment) in [(LIVE, "live"), (SANDBOX, "test")] {
        let key = paykore.value(environment).await;
        let _ = Echo::of(&paykore.wallets(host, &key));
        for scheme in ["Bearer", "bearer", "BEARER"] {
            let request = wallets(host).header("Authorization", format!("{scheme} {key}"));
            let echo = Echo::of(&paykore.envoy.send(&request));
            assert_eq!(echo.path(), "/v1/wallets");
        }
    }
}

async fn each_key_works_against_its_own_environment_alone(raw: bool) {
    let paykore = PayKore::open(raw, "starter").await;
    for (environment, own, other) in [("live", LIVE, SANDBOX), ("test", SANDBOX, LIVE)] {
        let key = paykore.value(environment).await;
        let _ = Echo::of(&paykore.wallets(own, &key));
        paykore.assert_invalid(&paykore.wallets(other, &key));
        let bearer = wallets(other).header("authorization", format!("Bearer {key}"));
        paykore.assert_invalid(&paykore.envoy.send(&bearer));
    }
}

async fn the_denial_of_a_request_without_a_key_says_to_add_one(raw: bool) {
    let paykore = PayKore::open(raw, "starter").await;
    let message = "No API key was provided. Add an X-API-Key header.";
    for host in [LIVE, SANDBOX] {
        paykore.assert_error(&paykore.envoy.send(&wallets(host)), "MISSING_API_KEY", message);
    }
    let basic = wallets(LIVE).header("authorization", "Basic dXNlcjpwYXNz");
    assert_eq!(paykore.envoy.send(&basic).status, 401);
    assert_eq!(paykore.envoy.upstream().seen(), 0);
}

async fn an_unknown_key_is_invalid(raw: bool) {
    let paykore = PayKore::open(raw, "starter").await;
    let good = paykore.value("live").await;
    let mut flipped = good.clone();
    flipped.replace_range(8..9, if good.as_bytes()[8] == b'0' { "1" } else { "0" });
    let upper = format!("sk_live_{}", good[8..].to_uppercase());
    let unknown = format!("sk_live_{}", "0".repeat(64));
    let publishable = format!("pk_live_{}", &good[8..]);
    let other = format!("sk_test_{}", &good[8..]);
    let (short, long) = (&good[..good.len() - 1], format!("{good}0"));
    let wrong =
        [&flipped, &upper, &unknown, &publishable, &other, short, &long, "sk_live_", "hello", "eyJh.b.c"];
    for value in wrong {
        paykore.assert_invalid(&paykore.wallets(LIVE, value));
    }
    assert_eq!(paykore.envoy.upstream().seen(), 0);
    let _ = Echo::of(&paykore.wallets(LIVE, &good));
}

async fn a_revoked_key_is_invalid(raw: bool) {
    let paykore = PayKore::open(raw, "starter").await;
    let (key, value) = paykore.operator.plain_key("acme", "live").await;
    let _ = Echo::of(&paykore.wallets(LIVE, &value));
    let _ = paykore.operator.revoke(&key.id).await;
    paykore.assert_invalid(&paykore.wallets(LIVE, &value));
}

async fn the_denial_of_an_expired_key_names_its_date(raw: bool) {
    let paykore = PayKore::open(raw, "starter").await;
    let soon = prost_types::Duration { seconds: 1, nanos: 0 };
    let mut ask = key("acme", "live");
    ask.expiry = Some(Expiry::Ttl(soon));
    let (key, value) = paykore.operator.key(ask).await;
    let expires = key.expire_time.expect("a key with a lifetime expires");
    let denied = eventually("the key expires", || {
        let answer = paykore.wallets(LIVE, &value);
        (answer.status != 200).then_some(answer)
    });
    let date = expires.to_string()[..10].to_owned();
    let message = format!("This API key expired on {date}. Create a new key in the dashboard.");
    paykore.assert_error(&denied, "EXPIRED_API_KEY", &message);
}

async fn a_host_that_is_not_paykores_is_no_way_in(raw: bool) {
    let paykore = PayKore::open(raw, "starter").await;
    let key = paykore.value("live").await;
    for host in ["evil.example", "api.paykore.dev.evil.example", "paykore.dev", "127.0.0.1"] {
        let answer = paykore.wallets(host, &key);
        assert!((401..=403).contains(&answer.status), "{host}: {answer:?}");
    }
    for host in ["API.PayKore.dev", "api.paykore.dev:443"] {
        let _ = Echo::of(&paykore.wallets(host, &key));
    }
}
