//! Tests of each way to grant more than the caller has, and of the closest case that is allowed.

mod limits;

use std::sync::Arc;

use latchkey_core::cache::Cached;
use latchkey_core::limit::{BucketOwner, parse_key_limit};
use latchkey_core::record::TenantRecord;
use latchkey_core::secret::PlainKey;
use latchkey_core::time::Timestamp;
use latchkey_profile::Profile;
use rand::SeedableRng;

use super::*;
use crate::operators;

const DOCUMENT: &str = r#"
name = "p"
[credential]
sources = ["header:x-api-key"]
[[kinds]]
name = "secret"
default = true
prefixes = { live = "sk_live_", test = "sk_test_" }
[[scopes]]
name = "items.read"
aliases = ["items.view"]
[[scopes]]
name = "api_keys.manage"
[[kinds]]
name = "other"
prefix = "other_"
[[kinds]]
name = "wide"
prefix = "wide_"
makes_keys_in = { test = ["live"] }
[[kinds]]
name = "admin"
prefix = "admin_"
[[scopes]]
name = "admin"
[[scopes]]
name = "api_keys.revive"
[[routes]]
path = "/v1/kinds"
kinds = ["admin"]
[[routes]]
path = "/v1/items"
scopes = ["items.read"]
[[routes]]
path = "/v1/admin"
scopes = ["admin"]
[rate_limits]
default = [{ per = "key", rate = "10/min" }]
report = [{ per = "key", rate = "10/min" }, { per = "key", rate = "100/d" }]
"#;

fn policy() -> Arc<Policy> {
    Arc::clone(&Profile::compile(DOCUMENT, 1).unwrap().policy)
}

/// Returns a key with the scope `items.read`, and its tenant.
fn records() -> (KeyRecord, TenantRecord) {
    let mut random = rand::rngs::StdRng::from_seed([5; 32]);
    let (now, value) = (Timestamp(1), PlainKey::new("sk_live_00000000000000000000000000000001".into()));
    let tenant = operators::tenant(now, &mut random);
    let tenant = TenantRecord { slug: "acme".into(), profile: "p".into(), ..tenant };
    let key = operators::root_key(&value, tenant.id, now, &mut random);
    let scopes = vec!["items.read".into()];
    (KeyRecord { kind: "secret".into(), prefix: "sk_live_".into(), scopes, ..key }, tenant)
}

/// Returns true if a caller that `narrow` restricts can create the key that `ask` describes.
fn can_create(narrow: impl FnOnce(&mut KeyRecord), ask: impl FnOnce(&mut KeyRecord)) -> bool {
    let policy = policy();
    let (mut record, tenant) = records();
    let mut wanted = record.clone();
    narrow(&mut record);
    let key = Cached::key(record, &tenant);
    let caller = Principal::from_key(Arc::new(tenant), key, Some(&policy));
    let grants = Grants::of(&caller, &policy);
    grants.inherit(&mut wanted);
    ask(&mut wanted);
    grants.check(PriorState::Nothing, &wanted, NOW).is_ok()
}

const NOW: Timestamp = Timestamp(5);

/// Returns the result of a change from a key that `before` describes to one that `after` does, by a caller that `narrow`
/// restricts.
fn change(
    narrow: impl FnOnce(&mut KeyRecord),
    before: impl FnOnce(&mut KeyRecord),
    after: impl FnOnce(&mut KeyRecord),
) -> Result<(), RequestError> {
    let policy = policy();
    let (mut record, tenant) = records();
    let mut old = record.clone();
    narrow(&mut record);
    before(&mut old);
    let mut new = old.clone();
    after(&mut new);
    let key = Cached::key(record, &tenant);
    let caller = Principal::from_key(Arc::new(tenant), key, Some(&policy));
    Grants::of(&caller, &policy).check(PriorState::Key(&old), &new, NOW)
}

fn is_denied(result: &Result<(), RequestError>) -> bool {
    matches!(result, Err(RequestError::PermissionDenied(_)))
}

fn with_admin(key: &mut KeyRecord) {
    key.scopes.push("admin".into());
}

#[test]
fn a_key_that_one_could_not_make_can_be_narrowed_and_renamed_but_not_widened() {
    let narrowings: [fn(&mut KeyRecord); 6] = [
        |key| key.name = "other".into(),
        |key| key.lifecycle = KeyLifecycle::Disabled,
        |key| key.lifecycle = KeyLifecycle::Revoked { at: NOW, reason: String::new() },
        |key| key.expires = Some(Timestamp(9)),
        |key| key.networks = vec!["192.0.2.0/24".parse().unwrap()],
        |key| key.scopes = vec!["admin".into()],
    ];
    for narrowing in narrowings {
        assert_eq!(change(|_| {}, with_admin, narrowing), Ok(()));
    }
    let disabled = |key: &mut KeyRecord| {
        with_admin(key);
        key.lifecycle = KeyLifecycle::Disabled;
    };
    assert!(is_denied(&change(|_| {}, disabled, |key| key.lifecycle = KeyLifecycle::Active)));
    let confined = |key: &mut KeyRecord| {
        with_admin(key);
        key.networks = vec!["192.0.2.0/24".parse().unwrap()];
        key.expires = Some(Timestamp(9));
        own_limit(key, "1/min");
    };
    let widenings: [fn(&mut KeyRecord); 4] = [
        |key| key.networks.clear(),
        |key| key.expires = Some(Timestamp(10)),
        |key| key.limits.0.clear(),
        |key| own_limit(key, "1/min burst 2"),
    ];
    for widening in widenings {
        assert!(is_denied(&change(|_| {}, confined, widening)));
    }
}

#[test]
fn a_key_that_one_could_make_can_be_widened() {
    let off = |key: &mut KeyRecord| key.lifecycle = KeyLifecycle::Disabled;
    assert_eq!(change(|_| {}, off, |key| key.lifecycle = KeyLifecycle::Active), Ok(()));
    assert_eq!(
        change(|_| {}, |key| key.scopes.clear(), |key| key.scopes = vec!["items.read".into()]),
        Ok(())
    );
}

#[test]
fn a_key_of_another_binding_or_environment_is_not_found_whatever_the_change() {
    let bound = |key: &mut KeyRecord| drop(key.bindings.insert("merchant".into(), "m_1".into()));
    let other = |key: &mut KeyRecord| drop(key.bindings.insert("merchant".into(), "m_2".into()));
    let live = |key: &mut KeyRecord| key.environment = "live".into();
    let test = |key: &mut KeyRecord| key.environment = "test".into();
    let changes: [fn(&mut KeyRecord); 3] = [
        |key| key.name = "other".into(),
        |key| key.lifecycle = KeyLifecycle::Revoked { at: NOW, reason: String::new() },
        |_| {},
    ];
    let missing = || Err(RequestError::not_found("key", &records().0.id));
    for what in changes {
        assert_eq!(change(bound, bound, what), Ok(()));
        assert_eq!(change(bound, other, what), missing());
        assert_eq!(change(bound, |_| {}, what), missing());
        assert_eq!(change(test, live, what), missing());
        assert_eq!(change(live, test, what), missing());
    }
}

#[test]
fn an_expired_key_is_made_valid_again_with_a_scope_of_its_own_alone() {
    let expired = |key: &mut KeyRecord| key.expires = Some(Timestamp(4));
    let extended = |key: &mut KeyRecord| key.expires = Some(Timestamp(9));
    let without = change(|_| {}, expired, extended);
    assert!(is_denied(&without), "{without:?}");
    let reviver = |key: &mut KeyRecord| key.scopes.push("api_keys.revive".into());
    assert_eq!(change(reviver, expired, extended), Ok(()));
    assert_eq!(change(|_| {}, expired, |key| key.name = "other".into()), Ok(()));
    assert_eq!(change(|_| {}, |key| key.expires = Some(Timestamp(6)), extended), Ok(()), "it is valid");
}

#[test]
fn keys_of_a_kind_that_reaches_more_routes_cannot_be_made() {
    let admin = |key: &mut KeyRecord| key.kind = "admin".into();
    assert!(can_create(|_| {}, |key| key.kind = "other".into()));
    assert!(!can_create(|_| {}, admin));
    assert!(can_create(admin, admin) && can_create(admin, |_| {}));
}

#[test]
fn a_scope_that_the_profile_dropped_cannot_be_granted() {
    assert!(!can_create(|key| key.scopes.push("gone".into()), |key| key.scopes.push("gone".into())));
}

fn own_limit(key: &mut KeyRecord, limit: &str) {
    key.limits.0.insert("default".into(), vec![(BucketOwner::Key, parse_key_limit(limit).unwrap())]);
}

#[test]
fn a_key_like_ones_own_may_be_made() {
    assert!(can_create(|_| {}, |_| {}));
}

#[test]
fn scopes_that_one_lacks_cannot_be_granted() {
    assert!(can_create(|_| {}, |key| key.scopes.clear()));
    assert!(!can_create(|_| {}, |key| key.scopes.push("admin".into())));
}

#[test]
fn another_environment_cannot_be_granted() {
    assert!(!can_create(|_| {}, |key| key.environment = "test".into()));
}

#[test]
fn another_environment_is_reached_where_the_document_says_so_and_not_back() {
    let mut kind = policy().kinds[0].clone();
    kind.creates_keys_in = vec![("live".into(), vec!["test".into()])];
    assert!(kind.can_create_keys_in("live", "test") && kind.can_create_keys_in("test", "test"));
    assert!(!kind.can_create_keys_in("test", "live") && !kind.can_create_keys_in("live", "other"));
}

#[test]
fn a_key_that_manages_other_environments_through_its_kind_cannot_be_granted() {
    let manager = |key: &mut KeyRecord| key.scopes.push("api_keys.manage".into());
    let in_test = |key: &mut KeyRecord| {
        manager(key);
        key.environment = "test".into();
    };
    let wide = |key: &mut KeyRecord| {
        in_test(key);
        key.kind = "wide".into();
    };
    assert!(can_create(in_test, in_test));
    assert!(!can_create(in_test, wide), "it would manage live keys");
    assert!(can_create(wide, wide));
    let without_scope = |key: &mut KeyRecord| {
        wide(key);
        key.scopes.clear();
    };
    assert!(can_create(in_test, without_scope), "it manages nothing");
    assert!(is_denied(&change(in_test, without_scope, manager)));
}

#[test]
fn a_bound_key_makes_keys_of_the_same_binding_alone() {
    let bind =
        |to: &'static str| move |key: &mut KeyRecord| drop(key.bindings.insert("merchant".into(), to.into()));
    assert!(can_create(|_| {}, bind("m_1")));
    assert!(can_create(bind("m_1"), bind("m_1")));
    assert!(!can_create(bind("m_1"), bind("m_2")));
    assert!(!can_create(bind("m_1"), |_| {}));
}

#[test]
fn no_key_outlives_its_maker() {
    let at = |ms: i64| move |key: &mut KeyRecord| key.expires = Some(Timestamp(ms));
    assert!(can_create(at(10), |_| {}), "an open field is inherited");
    assert!(can_create(at(10), at(10)) && can_create(|_| {}, |key| key.expires = None));
    assert!(!can_create(at(10), at(11)) && !can_create(at(10), |key| key.expires = None));
}

#[test]
fn networks_only_shrink() {
    let from = |net: &'static str| move |key: &mut KeyRecord| key.networks = vec![net.parse().unwrap()];
    assert!(can_create(from("192.0.2.0/24"), |_| {}));
    assert!(can_create(from("192.0.2.0/24"), from("192.0.2.128/25")));
    assert!(!can_create(from("192.0.2.0/24"), from("192.0.0.0/16")));
    assert!(!can_create(from("192.0.2.0/24"), |key| key.networks.clear()));
}

#[test]
fn a_key_that_has_a_scope_by_its_alias_can_be_narrowed_to_the_scope() {
    let narrow = |key: &mut KeyRecord| key.scopes = vec!["api_keys.manage".into()];
    let before = |key: &mut KeyRecord| key.scopes = vec!["items.view".into(), "admin".into()];
    assert_eq!(change(narrow, before, |key| key.scopes = vec!["items.read".into()]), Ok(()));
    let wider =
        change(narrow, before, |key| key.scopes = vec!["items.read".into(), "api_keys.revive".into()]);
    assert!(is_denied(&wider));
}
