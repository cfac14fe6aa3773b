//! Counts of usage, and their immediate visibility.

use latchkey_proto::v1::{CheckRequest, Decision, GetKeyUsageRequest, ListKeysRequest, RotateKeyRequest};
use latchkey_testing::{call, key, on_both, with_key};
use prost_types::{Duration, Timestamp};
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use crate::{Shop, calls, get, usage};

on_both!(
    crate::Shop::open;
    every_check_is_counted_at_once_by_its_reason,
    dry_runs_public_routes_and_unknown_keys_are_not_counted,
    a_token_is_a_use_of_its_key,
    scopes_that_were_never_needed_are_listed,
    a_rotated_key_says_whether_it_is_still_in_use,
    another_tenants_key_is_not_there,
    wrong_times_of_a_usage_request_are_named,
);

async fn every_check_is_counted_at_once_by_its_reason(shop: Shop) {
    let (made, value) = shop.key(&["items.read"]).await;
    assert_eq!(usage(&shop.operator, &made.id).await.hours, []);
    assert_eq!(get(&shop.operator, &made.id).await.last_use_time, None);
    for output in 1..=5 {
        assert_eq!(shop.check(&value, "GET").await.decision(), Decision::Allow);
        let seen = usage(&shop.operator, &made.id).await;
        assert_eq!(calls(&seen, "INSUFFICIENT_SCOPE"), (output, 0), "{seen:?}");
    }
    assert_eq!(shop.check(&value, "POST").await.decision(), Decision::Deny);
    let few = || CheckRequest { rate_class: "few".to_owned(), ..call(&value, "GET") };
    for _ in 0..3 {
        let _ = shop.latchkey.anonymous().check(few()).await;
    }
    let _ = shop.operator.revoke(&made.id).await;
    assert_eq!(shop.check(&value, "GET").await.decision(), Decision::Deny);
    let seen = usage(&shop.operator, &made.id).await;
    assert_eq!(calls(&seen, "INSUFFICIENT_SCOPE"), (6, 1), "{seen:?}");
    assert_eq!((calls(&seen, "RATE_LIMITED").1, calls(&seen, "REVOKED").1), (2, 1), "{seen:?}");
    for hour in &seen.hours {
        let at = hour.hour.expect("the hour is returned");
        assert_eq!((at.seconds % 3_600, at.nanos), (0, 0));
    }
    let last = get(&shop.operator, &made.id).await.last_use_time.expect("it was used");
    assert_eq!(seen.last_use_time, Some(last));
    let list = ListKeysRequest { tenant: "acme".to_owned(), ..ListKeysRequest::default() };
    let listed = shop.operator.keys().list_keys(list).await.expect("listed").into_inner();
    assert_eq!(listed.keys[0].last_use_time, Some(last));
}

async fn dry_runs_public_routes_and_unknown_keys_are_not_counted(shop: Shop) {
    let (made, value) = shop.key(&["items.read"]).await;
    let dry = CheckRequest { dry_run: true, ..call(&value, "GET") };
    let public = CheckRequest { path: "/health".to_owned(), ..call(&value, "GET") };
    for ask in [dry, public, call("sk_live_nobodys", "GET")] {
        let _ = shop.latchkey.anonymous().check(ask).await;
    }
    let seen = usage(&shop.operator, &made.id).await;
    assert_eq!((seen.hours.len(), seen.last_use_time), (0, None), "{seen:?}");
}

async fn a_token_is_a_use_of_its_key(shop: Shop) {
    let (made, value) = shop.key(&["items.read"]).await;
    let issued =
        shop.latchkey.anonymous().tokens().issue_jwt(with_key(&value)).await.expect("issued").into_inner();
    assert_eq!(shop.check(&issued.access_token, "GET").await.decision(), Decision::Allow);
    assert_eq!(calls(&usage(&shop.operator, &made.id).await, "").0, 1);
}

async fn scopes_that_were_never_needed_are_listed(shop: Shop) {
    let (made, value) = shop.key(&["api_keys.manage", "items.read", "items.write"]).await;
    let unused = async || get(&shop.operator, &made.id).await.unused_scopes;
    assert_eq!(unused().await, ["api_keys.manage", "items.read", "items.write"]);
    let _ = shop.check(&value, "GET").await;
    assert_eq!(unused().await, ["api_keys.manage", "items.write"]);
    let caller = shop.latchkey.caller(&value);
    let mine = get(&caller, &made.id).await;
    assert_eq!(mine.unused_scopes, ["items.write"], "managing needs its scope");
    let seen = usage(&caller, &made.id).await;
    assert_eq!((calls(&seen, "").0, seen.unused_scopes), (1, mine.unused_scopes), "managing is no call");
}

async fn a_rotated_key_says_whether_it_is_still_in_use(shop: Shop) {
    let (made, value) = shop.key(&["items.read"]).await;
    let _ = shop.check(&value, "GET").await;
    let overlap = Some(Duration { seconds: 3_600, nanos: 0 });
    let rotate = RotateKeyRequest { id: made.id.clone(), overlap, expiry: None };
    let rotated = shop.operator.keys().rotate_key(rotate).await.expect("rotated").into_inner();
    let (old, next) = (rotated.replaced.expect("the old key"), rotated.key.expect("the new key"));
    let before = old.last_use_time.expect("it was used");
    assert_eq!(next.last_use_time, None);
    // Repeated at a later millisecond.
    let after = loop {
        let _ = shop.check(&value, "GET").await;
        let used = get(&shop.operator, &made.id).await.last_use_time.expect("it was used");
        if (used.seconds, used.nanos) > (before.seconds, before.nanos) {
            break used;
        }
    };
    let made_at = next.create_time.expect("it was made");
    assert!((after.seconds, after.nanos) >= (made_at.seconds, made_at.nanos));
    assert_eq!(get(&shop.operator, &next.id).await.last_use_time, None);
}

fn fields(status: &Status) -> Vec<String> {
    let wrong = status.get_details_bad_request().map(|bad| bad.field_violations).unwrap_or_default();
    wrong.into_iter().map(|violation| violation.field).collect()
}

async fn another_tenants_key_is_not_there(shop: Shop) {
    let (made, _) = shop.key(&["items.read"]).await;
    let scopes = vec!["api_keys.manage".to_owned()];
    let ask = latchkey_proto::v1::CreateKeyRequest { scopes, ..key("bank", "live") };
    let (_, value) = shop.operator.key(ask).await;
    let malformed = || "no such key: the text is not the id of a key (key_…)".to_owned();
    let unknown = "key_00000000000000000000000000000000";
    for (id, text) in [
        (made.id.as_str(), format!("key {:?} was not found", made.id)),
        (unknown, format!("key {unknown:?} was not found")),
        ("nothing", malformed()),
        ("", malformed()),
    ] {
        let ask = GetKeyUsageRequest { id: id.to_owned(), ..GetKeyUsageRequest::default() };
        let refused = shop.latchkey.caller(&value).keys().get_key_usage(ask).await.expect_err("not there");
        assert_eq!((refused.code(), refused.message()), (Code::NotFound, text.as_str()), "{id}");
    }
}

async fn wrong_times_of_a_usage_request_are_named(shop: Shop) {
    let (made, value) = shop.key(&["items.read"]).await;
    let _ = shop.check(&value, "GET").await;
    let ask = |start: Option<i64>, end: Option<i64>| {
        let time = |seconds: i64| Timestamp { seconds, nanos: 0 };
        GetKeyUsageRequest {
            id: made.id.clone(),
            start_time: start.map(time),
            end_time: end.map(time),
            ..GetKeyUsageRequest::default()
        }
    };
    let mut keys = shop.operator.keys();
    for (start, end, wrong) in [
        (Some(i64::MAX), Some(i64::MIN), vec!["start_time", "end_time"]),
        (Some(7), Some(7), vec!["end_time"]),
        (Some(8), Some(7), vec!["end_time"]),
    ] {
        let refused = keys.get_key_usage(ask(start, end)).await.expect_err("wrong");
        assert_eq!(
            (refused.code(), fields(&refused)),
            (Code::InvalidArgument, wrong.iter().map(|f| (*f).to_owned()).collect())
        );
    }
    let hour = usage(&shop.operator, &made.id).await.hours[0].hour.expect("the hour").seconds;
    for (start, end, hours) in [
        (Some(hour + 3_599), None, 1),
        (Some(hour + 2 * 3_600), None, 0),
        (None, Some(hour), 0),
        (None, Some(hour + 1), 1),
    ] {
        let output = keys.get_key_usage(ask(start, end)).await.expect("a response").into_inner();
        assert_eq!(output.hours.len(), hours, "{start:?} {end:?}");
    }
}
