//! Native `CheckRequest` in the form of the gate's input, borrowed from its message. Every field has a limit, and one
//! denial names all fields that exceed theirs. The credential has no limit here: one that is too long is malformed,
//! which has a reason of its own.

use std::net::IpAddr;
use std::sync::Arc;

use latchkey_core::check_input::{
    CheckInput, NamedBy, Path, PresentedCredential, RateClassSelector, RequestedEnvironment,
};
use latchkey_core::error::FieldViolation;
use latchkey_core::excerpt::Quoted;
use latchkey_core::route;
use latchkey_profile::{Catalog, Profile};
use latchkey_proto::v1::CheckRequest;

use crate::convert::Violations;

/// Largest size of a short text: the name of a profile, tenant, environment, rate class or scope, or a request's
/// identifier.
const MAX_NAME_BYTES: usize = 128;
const MAX_PATH_BYTES: usize = 8 * 1024;
const MAX_VALUE_BYTES: usize = 512;
const MAX_SCOPES: usize = 256;
const MAX_RESOURCES: usize = 64;

/// View of a native `CheckRequest`.
pub(super) struct CheckRequestView<'a> {
    /// Profile that the caller named. `None` means the profile of the credential's tenant.
    pub(super) profile: Option<Arc<Profile>>,
    /// Input of the gate.
    pub(super) access: CheckInput<'a>,
    /// Identifier of the request; `None` if it has none.
    pub(super) request_id: Option<&'a str>,
}

impl<'a> CheckRequestView<'a> {
    /// Reads a message. Returns all violations if it is not valid.
    pub(super) fn read(request: &'a CheckRequest, catalog: &Catalog) -> Result<Self, Vec<FieldViolation>> {
        let mut violations = Violations::default();
        check_bounds(request, &mut violations);
        if request.scopes_only && !request.path.is_empty() {
            violations.add("scopes_only", "must be false if a path is given");
        }
        let profile = profile(request, catalog, &mut violations);
        let address = address(request, &mut violations);
        let violations = violations.into_violations();
        if !violations.is_empty() {
            return Err(violations);
        }
        Ok(Self { profile, access: access(request, address), request_id: non_empty(&request.request_id) })
    }
}

fn access(request: &CheckRequest, address: Option<IpAddr>) -> CheckInput<'_> {
    CheckInput {
        credential: PresentedCredential::of(&request.credential),
        tenant: non_empty(&request.tenant),
        named_by: NamedBy::CheckCaller,
        environment: non_empty(&request.environment)
            .map_or(RequestedEnvironment::Any, RequestedEnvironment::Named),
        method: &request.method,
        path: path(request),
        scopes: request.scopes.iter().map(String::as_str).collect(),
        class: non_empty(&request.rate_class).map_or(RateClassSelector::Route, RateClassSelector::RouteOr),
        resource: request.resource.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect(),
        cost: request.cost.unwrap_or(1),
        address,
        dry_run: request.dry_run,
        explain: request.explain,
        // The remaining fields are for routes of Envoy that override those of the profile.
        ..CheckInput::default()
    }
}

fn path(request: &CheckRequest) -> Path<'_> {
    match request.path.as_str() {
        "" if request.scopes_only => Path::ScopesOnly,
        "" => Path::Absent,
        path => route::parse(path),
    }
}

/// Returns the request's own identifier if it can be used.
pub(super) fn valid_request_id(request: &CheckRequest) -> Option<&str> {
    let mut violations = Violations::default();
    violations.check_text("request_id", &request.request_id, MAX_NAME_BYTES);
    violations.finish().is_ok().then_some(&*request.request_id).filter(|id| !id.is_empty())
}

fn non_empty(text: &str) -> Option<&str> {
    Some(text).filter(|text| !text.is_empty())
}

fn profile(request: &CheckRequest, catalog: &Catalog, violations: &mut Violations) -> Option<Arc<Profile>> {
    let name = non_empty(&request.profile)?;
    let found = catalog.named(name);
    if found.is_none() {
        violations.add("profile", format!("no profile {} is in force", Quoted(name)));
    }
    found
}

fn address(request: &CheckRequest, violations: &mut Violations) -> Option<IpAddr> {
    let parsed = non_empty(&request.source_ip)?.parse().ok();
    if parsed.is_none() {
        violations.add("source_ip", "must be an IPv4 or IPv6 address");
    }
    parsed
}

fn check_bounds(request: &CheckRequest, violations: &mut Violations) {
    for (field, text) in [
        ("profile", &request.profile),
        ("tenant", &request.tenant),
        ("environment", &request.environment),
        ("method", &request.method),
        ("rate_class", &request.rate_class),
        ("source_ip", &request.source_ip),
        ("request_id", &request.request_id),
    ] {
        violations.check_text(field, text, MAX_NAME_BYTES);
    }
    // The query is cut off.
    let path_bytes = request.path.split('?').next().map_or(0, str::len);
    if path_bytes > MAX_PATH_BYTES {
        violations.add("path", format!("must have at most {MAX_PATH_BYTES} bytes, and has {path_bytes}"));
    }
    violations.check_count("scopes", request.scopes.len(), MAX_SCOPES);
    for (n, scope) in request.scopes.iter().enumerate().take(MAX_SCOPES) {
        if scope.is_empty() || scope.len() > MAX_NAME_BYTES {
            violations.add(format!("scopes[{n}]"), format!("must have 1 to {MAX_NAME_BYTES} bytes"));
        }
    }
    violations.check_count("resource", request.resource.len(), MAX_RESOURCES);
    let wrong = |(name, value): (&String, &String)| {
        name.is_empty() || name.len() > MAX_NAME_BYTES || value.len() > MAX_VALUE_BYTES
    };
    if request.resource.iter().any(wrong) {
        let text = format!(
            "must have names of 1 to {MAX_NAME_BYTES} bytes, and values of at most {MAX_VALUE_BYTES}"
        );
        violations.add("resource", text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(request: &CheckRequest) -> Vec<String> {
        let violations = CheckRequestView::read(request, &Catalog::new()).err().unwrap_or_default();
        violations.into_iter().map(|v| v.field).collect()
    }

    #[test]
    fn absent_fields_have_neutral_defaults() {
        let request = CheckRequest::default();
        let view = CheckRequestView::read(&request, &Catalog::new()).unwrap();
        let access = &view.access;
        assert!(view.profile.is_none() && view.request_id.is_none());
        assert_eq!((access.credential, access.tenant, access.cost), (PresentedCredential::Missing, None, 1));
        assert_eq!((access.environment, &access.path), (RequestedEnvironment::Any, &Path::Absent));
        assert_eq!(access.class, RateClassSelector::Route);
    }

    #[test]
    fn a_cost_of_zero_differs_from_an_absent_cost() {
        let request = CheckRequest { cost: Some(0), ..CheckRequest::default() };
        assert_eq!(CheckRequestView::read(&request, &Catalog::new()).unwrap().access.cost, 0);
    }

    #[test]
    fn a_path_is_converted_to_its_canonical_form() {
        let path = |path: &str| {
            let request = CheckRequest { path: path.into(), ..CheckRequest::default() };
            let path = CheckRequestView::read(&request, &Catalog::new()).unwrap().access.path;
            path.canonical().unwrap_or("none").to_owned()
        };
        assert_eq!(path("/v1//x/?a=b"), "/v1/x");
        assert_eq!(path("/v1/%2fx"), "none");
        assert_eq!(path("v1"), "none");
    }

    #[test]
    fn a_check_of_scopes_alone_has_no_path() {
        let only = CheckRequest { scopes_only: true, ..CheckRequest::default() };
        assert_eq!(CheckRequestView::read(&only, &Catalog::new()).unwrap().access.path, Path::ScopesOnly);
        let both = CheckRequest { path: "/v1".into(), ..only };
        assert_eq!(fields(&both), ["scopes_only"]);
    }

    #[test]
    fn all_invalid_fields_are_named_together() {
        let request = CheckRequest {
            profile: "unknown".into(),
            tenant: "t".repeat(129),
            source_ip: "10.0.0".into(),
            request_id: "a\nb".into(),
            scopes: vec!["ok".into(), String::new()],
            ..CheckRequest::default()
        };
        assert_eq!(fields(&request), ["tenant", "request_id", "scopes[1]", "profile", "source_ip"]);
    }

    #[test]
    fn a_resource_has_a_name() {
        let long = "s".repeat(513);
        for (name, value, is_valid) in
            [("shop", "", true), ("", "s_1", false), ("shop", long.as_str(), false)]
        {
            let resource = [(name.to_owned(), value.to_owned())].into();
            let request = CheckRequest { resource, ..CheckRequest::default() };
            assert_eq!(fields(&request).is_empty(), is_valid, "{name}: {value}");
        }
    }

    #[test]
    fn a_credential_that_is_too_long_is_malformed_and_not_a_violation() {
        let request = CheckRequest { credential: "x".repeat(20_000), ..CheckRequest::default() };
        let view = CheckRequestView::read(&request, &Catalog::new()).unwrap();
        assert_eq!(view.access.credential, PresentedCredential::Malformed);
    }
}
