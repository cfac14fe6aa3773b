//! Tests of a Redis that responds and refuses: an error of `latchkey doctor`, and a line in the log of a start.

use latchkey_testing::{Redis, Setup, eventually};

use crate::{doctor, has};

#[test]
fn a_redis_that_refuses_the_password_is_an_error_and_a_start_counts_without_it() {
    let redis = Redis::with(&["--requirepass", "hunter22"]);
    let url = format!("redis://:canary@127.0.0.1:{}", redis.port());
    let (found, code) = doctor(&["--redis-url", &url]);
    has(&found, "redis", "error", "refuses the password");
    assert_eq!(code, 1, "{found:?}");
    let latchkey = Setup::default().environment("LATCHKEY_REDIS_URL", &url).start();
    let words = "Redis refuses to count limits";
    eventually("the log names the refusal", || latchkey.log().contains(words).then_some(()));
    let log = latchkey.log();
    assert!(log.contains("Password authentication failed") && !log.contains("canary"), "{log}");
    assert_eq!(latchkey.page("/readyz").status, 200, "no Check depends on Redis");
    assert!(!format!("{found:?}").contains("canary"), "{found:?}");
}

#[test]
fn a_redis_that_asks_for_a_password_is_an_error_too() {
    let redis = Redis::with(&["--requirepass", "hunter22"]);
    let (found, code) = doctor(&["--redis-url", &redis.url()]);
    has(&found, "redis", "error", "NOAUTH");
    assert_eq!(code, 1, "{found:?}");
}
