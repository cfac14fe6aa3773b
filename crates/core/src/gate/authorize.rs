//! Authorizes a call: compares the principal, the route and the request. This step is pure and looks nothing
//! up.

use smallvec::SmallVec;

use super::resource_names::misspelt_name;
use super::{EvalContext, StepResult, missing_route};
use crate::check_input::{CheckInput, NamedBy, Path, RequestedEnvironment};
use crate::choices::not_one_of;
use crate::decision::Denial;
use crate::excerpt::Quoted;
use crate::policy::{Policy, UnmatchedRoute};
use crate::principal::Principal;
use crate::reason::Reason;
use crate::route::{Route, RouteMatch, RouteRefusal, decode_segment};
use crate::scope::ScopeSet;

/// Checks environment, route, scopes, resource and network, in this order.
pub(super) fn authorize(
    eval: &mut EvalContext<'_, '_>,
    policy: &Policy,
    principal: &Principal,
    matched: RouteMatch<'_>,
) -> StepResult<()> {
    check_environment(eval, policy, principal)?;
    check_route(eval, policy, principal, matched)?;
    let route = super::found(matched);
    check_scopes(eval, policy, principal, route)?;
    check_resource_names(eval, policy, principal)?;
    check_resource(eval, principal, route)?;
    check_network(eval, principal)
}

/// Returns whether Envoy's route or the caller of Check asks for scopes, resources or a tenant, which only a credential can
/// have. A public route is public where nothing else is asked.
pub(super) fn asks_for_more(input: &CheckInput<'_>) -> bool {
    let scopes = input.route_scopes.is_some() || !input.scopes.is_empty();
    let named =
        input.named_by == NamedBy::CheckCaller && (input.tenant.is_some() || !input.resource.is_empty());
    scopes || named || !input.route_resource.is_empty()
}

/// Denies an environment that the profile does not have, to every caller.
pub(super) fn check_environment_name(eval: &mut EvalContext<'_, '_>, policy: &Policy) -> StepResult<()> {
    let names = &policy.environments;
    let RequestedEnvironment::Named(name) = eval.input.environment else { return Ok(()) };
    if names.is_empty() || names.iter().any(|known| **known == *name) {
        return Ok(());
    }
    let text = format!("The environment {}", not_one_of(name, names.iter().map(|known| &**known)));
    let text = if text.ends_with('?') { text } else { text + "." };
    let denial = match eval.input.named_by {
        NamedBy::CheckCaller => Denial::with_message(Reason::EnvironmentMismatch, text.clone()),
        NamedBy::Client => Denial::new(Reason::EnvironmentMismatch),
    };
    Err(eval.explain.fail_with_detail("environment", denial, || text))
}

/// Denies a credential of another environment. An environment that the profile does not have is denied to every
/// credential, also to those that are not limited to one.
fn check_environment(
    eval: &mut EvalContext<'_, '_>,
    policy: &Policy,
    principal: &Principal,
) -> StepResult<()> {
    check_environment_name(eval, policy)?;
    let own = principal.environment();
    let matches = match eval.input.environment {
        RequestedEnvironment::Any => true,
        RequestedEnvironment::Named(name) => own.is_none_or(|own| *own == *name),
        RequestedEnvironment::UnknownHost | RequestedEnvironment::InvalidHost => false,
    };
    let own = own.unwrap_or("any");
    if !matches {
        let requested = eval.input.environment;
        let detail = || match requested {
            RequestedEnvironment::Named(name) => format!("a {own} credential was used on {name}"),
            RequestedEnvironment::Any
            | RequestedEnvironment::UnknownHost
            | RequestedEnvironment::InvalidHost => "the host belongs to no environment".to_owned(),
        };
        let denial = Denial::new(Reason::EnvironmentMismatch);
        return Err(eval.explain.fail_with_detail("environment", denial, detail));
    }
    eval.explain.pass("environment", || own.to_owned());
    Ok(())
}

fn check_route(
    eval: &mut EvalContext<'_, '_>,
    policy: &Policy,
    principal: &Principal,
    matched: RouteMatch<'_>,
) -> StepResult<()> {
    let denial = Denial::new(Reason::RouteNotAllowed);
    if let RouteMatch::Refused(refusal) = matched {
        // Scopes of Envoy's route stand for a route of the profile that takes the method. They do not make a path
        // unambiguous, and do not name the resources that such a route would read from the path.
        let stands_for_route =
            eval.input.route_scopes.is_some() && names_bound_resources(eval, policy, principal);
        if refusal != RouteRefusal::Method || !stands_for_route {
            if let Some(denial) = missing_route::denial(eval, policy, matched) {
                return Err(denial);
            }
            return Err(eval.explain.fail("route", super::refused(refusal)));
        }
    }
    let Some((_, route)) = matched.found() else {
        let needs_route = eval.input.path != Path::ScopesOnly && eval.input.route_scopes.is_none();
        if needs_route && policy.unmatched == UnmatchedRoute::Deny {
            if let Some(denial) = missing_route::denial(eval, policy, matched) {
                return Err(denial);
            }
            let no_path = eval.input.path == Path::Absent;
            let found = if no_path { "no path was given" } else { "no route matches" };
            let detail = || format!("{found}, and the profile denies unmatched calls");
            return Err(eval.explain.fail_with_detail("route", denial, detail));
        }
        eval.explain.pass("route", || "no route applies".to_owned());
        return Ok(());
    };
    let kind = principal.kind();
    if !route.kinds.is_empty() && !route.kinds.iter().any(|k| **k == *kind) {
        let subject = if kind.is_empty() { "user".to_owned() } else { format!("{kind} key") };
        let detail = || format!("{} is not open to {subject}s", route.pattern.text());
        return Err(eval.explain.fail_with_detail("route", denial, detail));
    }
    eval.explain.pass("route", || route.pattern.text().to_owned());
    Ok(())
}

/// Returns true if Envoy's route names every resource that the credential is bound in and that a route of the profile
/// reads from a path.
fn names_bound_resources(eval: &EvalContext<'_, '_>, policy: &Policy, principal: &Principal) -> bool {
    let named = &eval.input.route_resource;
    let mut bound = principal.bindings().iter().map(|(name, _)| name);
    bound.all(|bound| named.iter().any(|(name, _)| *name == bound) || !policy.routes.read_from_path(bound))
}

fn check_scopes(
    eval: &mut EvalContext<'_, '_>,
    policy: &Policy,
    principal: &Principal,
    route: Option<&Route>,
) -> StepResult<()> {
    let granted = &principal.granted;
    let mut missing = ScopeSet::default();
    let mut unknown = Vec::new();
    let named = eval.input.route_scopes.iter().flatten().chain(&eval.input.scopes);
    for name in named {
        match policy.scopes.find(name) {
            Some(scope) if granted.contains(scope) => {}
            Some(scope) => missing.insert(scope),
            // A scope that the profile does not declare cannot have been granted.
            None => unknown.push((*name).to_owned()),
        }
    }
    if let Some(route) = route.filter(|_| eval.input.route_scopes.is_none()) {
        route.scopes.difference(granted).iter().for_each(|s| missing.insert(s));
        if !route.any_scopes.is_empty() && !route.any_scopes.intersects(granted) {
            route.any_scopes.iter().for_each(|s| missing.insert(s));
        }
    }
    if missing.is_empty() && unknown.is_empty() {
        eval.explain.pass("scope", || "all required scopes are granted".to_owned());
        return Ok(());
    }
    // The caller chose these names: the message shows no control characters and none that turn the direction of a text.
    let shown: Vec<String> = unknown.iter().map(|name| name.escape_debug().to_string()).collect();
    let names: Vec<&str> = policy.scopes.names(&missing).chain(shown.iter().map(String::as_str)).collect();
    let message = format!("The credential lacks the scope {}.", names.join(", "));
    let in_shadow = unknown.is_empty() && eval.scopes_in_shadow(policy, &missing);
    (eval.context.missing_scopes, eval.context.unknown_scopes) = (missing, unknown);
    let denial = eval.explain.fail("scope", Denial::with_message(Reason::InsufficientScope, message));
    if !in_shadow {
        return Err(denial);
    }
    eval.record_shadow(denial, || "all missing scopes are in shadow".to_owned());
    Ok(())
}

/// Denies a call whose resource the caller of Check misspells, since it would not be compared.
fn check_resource_names(
    eval: &mut EvalContext<'_, '_>,
    policy: &Policy,
    principal: &Principal,
) -> StepResult<()> {
    let input = eval.input;
    if input.named_by == NamedBy::Client {
        return Ok(());
    }
    let names = input.resource.iter().map(|(name, _)| *name);
    let Some((name, meant)) = misspelt_name(names, policy, principal.bindings()) else { return Ok(()) };
    let text = format!("Nothing is compared with the resource {}; did you mean {meant}?", Quoted(name));
    eval.context.malformed = true;
    Err(eval.explain.fail("resource", Denial::with_message(Reason::ResourceMismatch, text)))
}

/// Checks the principal's bindings: a call may use no other identifier of a bound resource. Resources that
/// the request does not name are not compared.
fn check_resource(
    eval: &mut EvalContext<'_, '_>,
    principal: &Principal,
    route: Option<&Route>,
) -> StepResult<()> {
    let bindings = principal.bindings();
    if bindings.is_empty() {
        eval.explain.pass("resource", || "the credential has no bindings".to_owned());
        return Ok(());
    }
    let path = eval.input.path.canonical().unwrap_or_default();
    let in_path: SmallVec<[_; 2]> = route
        .into_iter()
        .flat_map(|r| &r.resource)
        .map(|(name, place)| (&**name, decode_segment(place.value(path).unwrap_or_default())))
        .collect();
    let fixed = &eval.input.route_resource;
    let in_path = in_path.iter().map(|(name, value)| (*name, &**value));
    let from_request = eval.input.resource.iter().copied().chain(in_path);
    let from_request = from_request.filter(|(name, _)| fixed.iter().all(|(n, _)| n != name));
    let mut used = fixed.iter().copied().chain(from_request);
    let mismatch = used.find(|(name, value)| bindings.get(name).is_some_and(|bound| bound != *value));
    if let Some((name, _)) = mismatch {
        let denial = Denial::new(Reason::ResourceMismatch);
        let detail = || format!("the credential is bound to another {name}");
        return Err(eval.explain.fail_with_detail("resource", denial, detail));
    }
    eval.explain.pass("resource", || "the call stays within the credential's bindings".to_owned());
    Ok(())
}

fn check_network(eval: &mut EvalContext<'_, '_>, principal: &Principal) -> StepResult<()> {
    let address = eval.input.address.map(|a| a.to_canonical());
    if !principal.is_allowed_from(address) {
        let detail = || match address {
            Some(address) => format!("{address} is in none of the credential's networks"),
            None => "the credential is limited to networks, and the client's address is unknown".to_owned(),
        };
        let denial = Denial::new(Reason::NetworkNotAllowed);
        return Err(eval.explain.fail_with_detail("network", denial, detail));
    }
    eval.explain.pass("network", || "allowed".to_owned());
    Ok(())
}
