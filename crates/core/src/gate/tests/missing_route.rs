//! Calls that no route takes, where the profile tells a path without a route from a method that a path does not have.

use super::fixture::{GateFixture, key, routes};
use super::{denial_reason, get_request, reason};
use crate::check_input::{CheckInput, Path, PresentedCredential};
use crate::policy::{Policy, UnmatchedRoute};
use crate::reason::Reason;
use crate::record::KeyLifecycle;
use crate::record::fixture::VALUE as GOOD;
use crate::route::{PathError, RouteErrors, Routes};
use crate::time::Timestamp;

/// Sets the reasons of calls without a route, and the methods of `/v1/items`.
fn with_errors(errors: RouteErrors) -> impl FnOnce(&mut Policy) {
    move |policy| {
        let mut all = routes(&policy.scopes);
        all[0].methods = vec!["GET".into(), "POST".into()];
        policy.routes = Routes::new(all).with_errors(errors);
    }
}

fn delete<'a>(value: &'a str, path: &'a str) -> CheckInput<'a> {
    CheckInput { method: "DELETE", ..get_request(value, path) }
}

#[tokio::test]
async fn a_caller_with_a_valid_credential_learns_what_is_missing() {
    let fixture = GateFixture::with(with_errors(RouteErrors::AfterAuthentication), |_, _| {});
    let unknown = key(2);
    for (input, expected) in [
        (get_request(GOOD, "/v1/items"), None),
        (delete(GOOD, "/v1/items"), Some(Reason::MethodNotAllowed)),
        (get_request(GOOD, "/v1/nowhere"), Some(Reason::RouteNotFound)),
        (get_request(GOOD, "/v1/publishable"), Some(Reason::RouteNotAllowed)),
        (get_request(GOOD, "/V1/items"), Some(Reason::RouteNotAllowed)),
        (CheckInput { path: Path::Absent, ..get_request(GOOD, "") }, Some(Reason::RouteNotAllowed)),
        (
            CheckInput { path: Path::NonCanonical(PathError::Dots), ..get_request(GOOD, "") },
            Some(Reason::RouteNotAllowed),
        ),
        (delete("", "/v1/items"), Some(Reason::MissingCredential)),
        (get_request("", "/v1/nowhere"), Some(Reason::MissingCredential)),
        (get_request(&unknown, "/v1/nowhere"), Some(Reason::InvalidCredential)),
    ] {
        assert_eq!(denial_reason(&fixture, &input).await, expected, "{:?}", input.path);
    }
}

#[tokio::test]
async fn every_caller_learns_it_where_the_profile_says_so() {
    let fixture = GateFixture::with(with_errors(RouteErrors::BeforeAuthentication), |_, _| {});
    let value = key(2);
    for (input, expected) in [
        (delete("", "/v1/items"), Reason::MethodNotAllowed),
        (get_request("", "/v1/items"), Reason::MissingCredential),
        (get_request(&value, "/v1/nowhere"), Reason::RouteNotFound),
        (get_request("", "/v1/nowhere"), Reason::RateLimited),
    ] {
        // Three failed attempts pass in a minute.
        let input = CheckInput { address: Some("10.0.0.1".parse().unwrap()), ..input };
        assert_eq!(denial_reason(&fixture, &input).await, Some(expected), "{:?}", input.path);
    }
}

#[tokio::test]
async fn a_revoked_key_learns_no_route_unless_every_caller_does() {
    for (errors, expected) in [
        (RouteErrors::Forbidden, Reason::Revoked),
        (RouteErrors::AfterAuthentication, Reason::Revoked),
        (RouteErrors::BeforeAuthentication, Reason::RouteNotFound),
    ] {
        let revoked = KeyLifecycle::Revoked { at: Timestamp(1), reason: String::new() };
        let fixture = GateFixture::with(with_errors(errors), |key, _| key.lifecycle = revoked);
        assert_eq!(denial_reason(&fixture, &get_request(GOOD, "/v1/nowhere")).await, Some(expected));
        let with_route = get_request(GOOD, "/v1/items");
        assert_eq!(denial_reason(&fixture, &with_route).await, Some(Reason::Revoked));
    }
}

#[tokio::test]
async fn calls_that_no_route_needs_to_take_are_not_missing_one() {
    let authenticate = |policy: &mut Policy| {
        with_errors(RouteErrors::BeforeAuthentication)(policy);
        policy.unmatched = UnmatchedRoute::Authenticate;
    };
    let fixture = GateFixture::with(authenticate, |_, _| {});
    assert_eq!(denial_reason(&fixture, &get_request(GOOD, "/v1/nowhere")).await, None);
    assert_eq!(
        denial_reason(&fixture, &get_request("", "/v1/nowhere")).await,
        Some(Reason::MissingCredential)
    );
    assert_eq!(denial_reason(&fixture, &delete(GOOD, "/v1/items")).await, Some(Reason::MethodNotAllowed));
    let scoped = |value| CheckInput {
        credential: PresentedCredential::of(value),
        route_scopes: Some(["items.read"].into_iter().collect()),
        ..delete("", "/v1/items")
    };
    assert_eq!(denial_reason(&fixture, &scoped(GOOD)).await, None, "scopes of Envoy's route stand for one");
    assert_eq!(denial_reason(&fixture, &scoped("")).await, Some(Reason::MissingCredential));
}

#[tokio::test]
async fn an_explanation_lists_the_methods_of_the_path() {
    let fixture = GateFixture::with(with_errors(RouteErrors::AfterAuthentication), |_, _| {});
    let input = CheckInput { explain: true, ..delete(GOOD, "/v1/items") };
    let verdict = fixture.gate.check(Some(&fixture.policy), &input).await.unwrap();
    assert_eq!(reason(&verdict), Some(Reason::MethodNotAllowed));
    let step = verdict.context.steps.last().unwrap();
    assert_eq!(
        (step.name, step.passed, step.detail.as_str()),
        ("route", false, "the path takes other methods: GET, HEAD, POST")
    );
}
