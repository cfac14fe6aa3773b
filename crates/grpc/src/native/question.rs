//! A native check as the gate's question, borrowed from its message. Every field has a bound, and every
//! field that is out of bounds is named at once. The credential has none of its own: one that is too long
//! is no credential, which is a denial and not a mistake in the message.

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::Arc;

use latchkey_core::access::{Access, ClassChoice, Path, Presented, Target};
use latchkey_core::route::canonical;
use latchkey_core::trouble::Violation;
use latchkey_profile::{Catalog, Profile, Request};
use latchkey_proto::v1::CheckRequest;

use crate::convert::Wrong;

/// What a name may weigh: of a profile, a tenant, an environment, a class, a scope, a request.
const NAME: usize = 128;
const PATH: usize = 8 * 1024;
const VALUE: usize = 512;
const SCOPES: usize = 256;
const RESOURCES: usize = 64;

/// What a native caller asks.
pub(super) struct Question<'a> {
    /// The profile that was named; none: the credential's tenant's.
    pub(super) profile: Option<Arc<Profile>>,
    /// The gate's question.
    pub(super) access: Access<'a>,
    /// The request's identifier, its own or a new one.
    pub(super) request_id: Cow<'a, str>,
}

impl<'a> Question<'a> {
    /// Reads a message, or says everything that is wrong with it.
    pub(super) fn read(ask: &'a CheckRequest, catalog: &Catalog) -> Result<Self, Vec<Violation>> {
        let mut wrong = Wrong::default();
        bounds(ask, &mut wrong);
        let profile = profile(ask, catalog, &mut wrong);
        let address = address(ask, &mut wrong);
        let violations = wrong.into_violations();
        if !violations.is_empty() {
            return Err(violations);
        }
        let request_id = match ask.request_id.as_str() {
            "" => Cow::Owned(catalog.request_id(&Request::default()).into_owned()),
            given => Cow::Borrowed(given),
        };
        Ok(Self { profile, access: access(ask, address), request_id })
    }
}

fn access(ask: &CheckRequest, address: Option<IpAddr>) -> Access<'_> {
    Access {
        credential: Presented::of(&ask.credential),
        tenant: given(&ask.tenant),
        environment: given(&ask.environment).map_or(Target::Any, Target::Named),
        method: &ask.method,
        path: given(&ask.path)
            .map_or(Path::NotGiven, |path| canonical(path).map_or(Path::Unsafe, Path::Canonical)),
        scopes: ask.scopes.iter().map(String::as_str).collect(),
        class: given(&ask.rate_class).map_or(ClassChoice::Route, ClassChoice::Otherwise),
        resource: ask.resource.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect(),
        cost: ask.cost.unwrap_or(1),
        address,
        dry_run: ask.dry_run,
        explain: ask.explain,
        // Only Envoy's routes speak in place of a profile's.
        ..Access::default()
    }
}

fn given(text: &str) -> Option<&str> {
    Some(text).filter(|text| !text.is_empty())
}

fn profile(ask: &CheckRequest, catalog: &Catalog, wrong: &mut Wrong) -> Option<Arc<Profile>> {
    let name = given(&ask.profile)?;
    let found = catalog.named(name);
    if found.is_none() {
        wrong.with("profile", "no profile of this name is in force");
    }
    found
}

fn address(ask: &CheckRequest, wrong: &mut Wrong) -> Option<IpAddr> {
    let parsed = given(&ask.source_ip)?.parse().ok();
    if parsed.is_none() {
        wrong.with("source_ip", "must be an IPv4 or IPv6 address");
    }
    parsed
}

fn bounds(ask: &CheckRequest, wrong: &mut Wrong) {
    for (field, text) in [
        ("profile", &ask.profile),
        ("tenant", &ask.tenant),
        ("environment", &ask.environment),
        ("method", &ask.method),
        ("rate_class", &ask.rate_class),
        ("source_ip", &ask.source_ip),
        ("request_id", &ask.request_id),
    ] {
        wrong.text(field, text, NAME);
    }
    if ask.path.len() > PATH {
        wrong.with("path", format!("must have at most {PATH} bytes, and has {}", ask.path.len()));
    }
    wrong.count("scopes", ask.scopes.len(), SCOPES);
    for (n, scope) in ask.scopes.iter().enumerate().take(SCOPES) {
        if scope.is_empty() || scope.len() > NAME {
            wrong.with(format!("scopes[{n}]"), format!("must have 1 to {NAME} bytes"));
        }
    }
    wrong.count("resource", ask.resource.len(), RESOURCES);
    let long = |(name, value): &(&String, &String)| name.len() > NAME || value.len() > VALUE;
    if ask.resource.iter().any(|entry| long(&entry)) {
        let text = format!("must have names of at most {NAME} bytes, and values of at most {VALUE}");
        wrong.with("resource", text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(ask: &CheckRequest) -> Vec<String> {
        let wrong = Question::read(ask, &Catalog::new()).err().unwrap_or_default();
        wrong.into_iter().map(|v| v.field).collect()
    }

    #[test]
    fn what_is_left_out_asks_for_nothing() {
        let ask = CheckRequest::default();
        let question = Question::read(&ask, &Catalog::new()).unwrap();
        let access = &question.access;
        assert!(question.profile.is_none() && !question.request_id.is_empty());
        assert_eq!((access.credential, access.tenant, access.cost), (Presented::Missing, None, 1));
        assert_eq!((access.environment, &access.path), (Target::Any, &Path::NotGiven));
        assert_eq!(access.class, ClassChoice::Route);
    }

    #[test]
    fn zero_cost_is_not_the_cost_of_none_given() {
        let ask = CheckRequest { cost: Some(0), ..CheckRequest::default() };
        assert_eq!(Question::read(&ask, &Catalog::new()).unwrap().access.cost, 0);
    }

    #[test]
    fn a_path_is_brought_into_its_one_form() {
        let path = |path: &str| {
            let ask = CheckRequest { path: path.into(), ..CheckRequest::default() };
            match Question::read(&ask, &Catalog::new()).unwrap().access.path {
                Path::Canonical(path) => path.into_owned(),
                Path::NotGiven | Path::Unsafe => "none".to_owned(),
            }
        };
        assert_eq!(path("/v1//x/?a=b"), "/v1/x");
        assert_eq!(path("/v1/%2fx"), "none");
        assert_eq!(path("v1"), "none");
    }

    #[test]
    fn every_field_that_is_wrong_is_named_at_once() {
        let ask = CheckRequest {
            profile: "nobodys".into(),
            tenant: "t".repeat(129),
            source_ip: "10.0.0".into(),
            request_id: "a\nb".into(),
            scopes: vec!["ok".into(), String::new()],
            ..CheckRequest::default()
        };
        assert_eq!(fields(&ask), ["tenant", "request_id", "scopes[1]", "profile", "source_ip"]);
    }

    #[test]
    fn a_credential_of_any_length_is_a_question() {
        let ask = CheckRequest { credential: "x".repeat(20_000), ..CheckRequest::default() };
        let question = Question::read(&ask, &Catalog::new()).unwrap();
        assert_eq!(question.access.credential, Presented::Unreadable);
    }
}
