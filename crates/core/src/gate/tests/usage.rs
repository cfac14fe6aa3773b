//! Tests of the uses that the gate records, and of those that it does not.

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

fn scopes(totals: &KeyUseTotals) -> Vec<&str> {
    totals.scopes.iter().map(|scope| &**scope).collect()
}

#[tokio::test]
async fn calls_are_recorded_with_their_reason() {
    let fixture = GateFixture::new(|_, _| {});
    assert_eq!(denial_reason(&fixture, &get_request(GOOD, "/v1/items")).await, None);
    assert_eq!(
        denial_reason(&fixture, &get_request(GOOD, "/v1/admin")).await,
        Some(Reason::InsufficientScope)
    );
    let totals = known(&fixture);
    let calls = &totals.hours[&Hour(0)];
    assert_eq!((calls.allowed, calls.denied.clone()), (1, [(Reason::InsufficientScope, 1)].into()));
    assert_eq!((totals.last, scopes(&totals)), (Some(Timestamp(2_000_000)), vec!["items.read"]));
}

#[tokio::test]
async fn dry_runs_and_calls_without_a_key_are_not_recorded() {
    let fixture = GateFixture::new(|_, _| {});
    let dry = CheckInput { dry_run: true, ..get_request(GOOD, "/v1/items") };
    assert_eq!(denial_reason(&fixture, &dry).await, None);
    assert_eq!(
        denial_reason(&fixture, &get_request(GOOD, "/open")).await,
        None,
        "a public route reads no key"
    );
    assert_eq!(
        denial_reason(&fixture, &get_request(&key(2), "/v1/items")).await,
        Some(Reason::InvalidCredential)
    );
    assert_eq!(known(&fixture), KeyUseTotals::default());
}

#[tokio::test]
async fn needed_scopes_are_recorded_however_the_call_needs_them() {
    let all = |scopes: &[&str]| scopes.iter().map(|s| (*s).into()).collect::<Vec<_>>();
    let fixture = GateFixture::new(|key, _| key.scopes = all(&["admin", "items.read"]));
    assert_eq!(denial_reason(&fixture, &get_request(GOOD, "/v1/merchants/m_1")).await, None);
    assert_eq!(scopes(&known(&fixture)), Vec::<&str>::new());
    let more = CheckInput { scopes: smallvec!["items.view"], ..get_request(GOOD, "/v1/merchants/m_1") };
    assert_eq!(denial_reason(&fixture, &more).await, None);
    assert_eq!(scopes(&known(&fixture)), ["items.read"], "an alias is the scope itself");
    let replaced = CheckInput { route_scopes: Some(smallvec![]), ..get_request(GOOD, "/v1/admin") };
    assert_eq!(denial_reason(&fixture, &replaced).await, None);
    assert_eq!(scopes(&known(&fixture)), ["items.read"], "the route's own scopes were replaced");
    assert_eq!(denial_reason(&fixture, &get_request(GOOD, "/v1/either")).await, None);
    assert_eq!(scopes(&known(&fixture)), ["admin", "items.read"], "any of the route's scopes may be needed");
}
