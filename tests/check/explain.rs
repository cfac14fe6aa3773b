//! `explain` returns the steps in order, up to the one that failed, and never the credential.

use latchkey_proto::v1::{CheckRequest, CheckResponse};

use crate::{CheckFixture, assert_allowed, call, get};

const ORDER: [&str; 9] =
    ["credential", "key", "tenant", "environment", "route", "scope", "resource", "network", "rate_limit"];

fn names(answer: &CheckResponse) -> Vec<&str> {
    answer.steps.iter().map(|step| step.name.as_str()).collect()
}

fn explained(ask: CheckRequest) -> CheckRequest {
    CheckRequest { explain: true, ..ask }
}

/// Checks that the steps are in the contract's order, each at most once.
#[track_caller]
fn assert_ordered(answer: &CheckResponse) {
    let places: Vec<usize> = names(answer)
        .iter()
        .map(|name| {
            ORDER.iter().position(|known| known == name).unwrap_or_else(|| panic!("what is a {name}?"))
        })
        .collect();
    assert!(places.windows(2).all(|two| two[0] < two[1]), "{:?}", answer.steps);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_allowed_call_passed_every_step() {
    let fixture = CheckFixture::open().await;
    let value = fixture.value().await;
    let answer = fixture.check(explained(get(&value))).await;
    assert_allowed(&answer);
    assert_ordered(&answer);
    assert!(answer.steps.iter().all(|step| step.passed), "{:?}", answer.steps);
    for name in ["credential", "key", "route", "scope", "rate_limit"] {
        assert!(names(&answer).contains(&name), "{name} is missing: {:?}", answer.steps);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_denied_call_ends_at_the_step_that_failed() {
    let fixture = CheckFixture::open().await;
    let (made, value) = fixture.operator.plain_key("acme", "live").await;
    let wrong_tenant = CheckRequest { tenant: "nobody".to_owned(), ..get(&value) };
    let wrong_environment = CheckRequest { environment: "test".to_owned(), ..get(&value) };
    let mut cases = vec![
        (get(""), "credential"),
        (wrong_tenant, "tenant"),
        (wrong_environment, "environment"),
        (call(&value, "GET", "/nowhere"), "route"),
        (call(&value, "POST", "/items"), "scope"),
    ];
    for (ask, failed) in cases.drain(..) {
        let answer = fixture.check(explained(ask)).await;
        assert_ordered(&answer);
        let last = answer.steps.last().expect("something was examined");
        assert_eq!((last.name.as_str(), last.passed), (failed, false), "{:?}", answer.steps);
        assert!(answer.steps.iter().rev().skip(1).all(|step| step.passed), "{:?}", answer.steps);
    }
    let _ = fixture.operator.revoke(&made.id).await;
    let answer = fixture.check(explained(get(&value))).await;
    assert_eq!(answer.steps.last().map(|step| step.name.as_str()), Some("key"));
}

#[tokio::test(flavor = "multi_thread")]
async fn steps_do_not_contain_the_credential() {
    let fixture = CheckFixture::open().await;
    let value = fixture.value().await;
    for credential in [value.as_str(), "lab_live_canary_that_nobody_may_see"] {
        let answer = fixture.check(explained(get(credential))).await;
        let output = format!("{} {:?}", answer.message, answer.steps);
        assert!(!output.contains(&credential[9..]), "{output}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn steps_are_returned_on_request_alone() {
    let fixture = CheckFixture::open().await;
    let value = fixture.value().await;
    assert!(fixture.check(get(&value)).await.steps.is_empty());
}
