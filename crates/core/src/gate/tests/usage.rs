//! What the gate notes of use, and what it doesn't.

use smallvec::smallvec;

use super::fixture::{GateFixture, key};
use super::{denial_reason, get_request};
use crate::check_input::CheckInput;
use crate::ports::usage::{Hour, KeyUseTotals};
use crate::reason::Reason;
use crate::record::fixture::{VALUE as GOOD, records};
use crate::time::Timestamp;

fn known(fixture: &GateFixture) -> KeyUseTotals {
    fixture.usage.local_totals(records().0.id)
}

fn scopes(seen: &KeyUseTotals) -> Vec<&str> {
    seen.scopes.iter().map(|scope| &**scope).collect()
}

#[tokio::test]
async fn calls_are_noted_with_their_reason() {
    let fixture = GateFixture::new(|_, _| {});
    assert_eq!(denial_reason(&fixture, &get_request(GOOD, "/v1/items")).await, None);
    assert_eq!(
        denial_reason(&fixture, &get_request(GOOD, "/v1/admin")).await,
        Some(Reason::InsufficientScope)
    );
    let seen = known(&fixture);
    let calls = &seen.hours[&Hour(0)];
    assert_eq!((calls.allowed, calls.denied.clone()), (1, [(Reason::InsufficientScope, 1)].into()));
    assert_eq!((seen.last, scopes(&seen)), (Some(Timestamp(2_000_000)), vec!["items.read"]));
}

#[tokio::test]
async fn what_has_no_key_or_takes_nothing_is_not_noted() {
    let fixture = GateFixture::new(|_, _| {});
    let dry = CheckInput { dry_run: true, ..get_request(GOOD, "/v1/items") };
    assert_eq!(denial_reason(&fixture, &dry).await, None);
    assert_eq!(
        denial_reason(&fixture, &get_request(GOOD, "/open")).await,
        None,
        "a public route looks at no key"
    );
    assert_eq!(
        denial_reason(&fixture, &get_request(&key(2), "/v1/items")).await,
        Some(Reason::InvalidCredential)
    );
    assert_eq!(known(&fixture), KeyUseTotals::default());
}

#[tokio::test]
async fn scopes_that_a_call_needs_by_any_way_are_noted() {
    let all = |scopes: &[&str]| scopes.iter().map(|s| (*s).into()).collect::<Vec<_>>();
    let fixture = GateFixture::new(|key, _| key.scopes = all(&["admin", "items.read"]));
    assert_eq!(denial_reason(&fixture, &get_request(GOOD, "/v1/merchants/m_1")).await, None);
    assert_eq!(scopes(&known(&fixture)), Vec::<&str>::new());
    let more = CheckInput { scopes: smallvec!["items.view"], ..get_request(GOOD, "/v1/merchants/m_1") };
    assert_eq!(denial_reason(&fixture, &more).await, None);
    assert_eq!(scopes(&known(&fixture)), ["items.read"], "an alias is the scope itself");
    let replaced = CheckInput { route_scopes: Some(smallvec![]), ..get_request(GOOD, "/v1/admin") };
    assert_eq!(denial_reason(&fixture, &replaced).await, None);
    assert_eq!(scopes(&known(&fixture)), ["items.read"], "the route's own were replaced");
    assert_eq!(denial_reason(&fixture, &get_request(GOOD, "/v1/either")).await, None);
    assert_eq!(scopes(&known(&fixture)), ["admin", "items.read"], "either may be the one that is needed");
}
