//! May it do this? Pure: the principal, the route and the request are compared, and nothing is fetched.

use super::{EvalContext, StepResult};
use crate::check_input::{Path, RequestedEnvironment};
use crate::decision::Denial;
use crate::policy::{Policy, UnmatchedRoute};
use crate::principal::Principal;
use crate::reason::Reason;
use crate::route::{Route, segment};
use crate::scope::ScopeSet;

/// Environment, route, scopes, resource and network, in this order.
pub(super) fn authorize(
    eval: &mut EvalContext<'_, '_>,
    policy: &Policy,
    principal: &Principal,
    route: Option<&Route>,
) -> StepResult<()> {
    environment(eval, principal)?;
    open_route(eval, policy, principal, route)?;
    scopes(eval, policy, principal, route)?;
    resource(eval, principal, route)?;
    network(eval, principal)
}

fn environment(eval: &mut EvalContext<'_, '_>, principal: &Principal) -> StepResult<()> {
    let own = principal.environment();
    let fits = match eval.input.environment {
        RequestedEnvironment::Any => true,
        RequestedEnvironment::Named(name) => own.is_none_or(|own| *own == *name),
        RequestedEnvironment::Unknown => false,
    };
    let own = own.unwrap_or("any");
    if !fits {
        let target = eval.input.environment;
        let detail = || match target {
            RequestedEnvironment::Named(name) => format!("a {own} credential, used on {name}"),
            RequestedEnvironment::Any | RequestedEnvironment::Unknown => {
                "no environment is known for this host".to_owned()
            }
        };
        let denial = Denial::new(Reason::EnvironmentMismatch);
        return Err(eval.explain.fail_with_detail("environment", denial, detail));
    }
    eval.explain.pass("environment", || own.to_owned());
    Ok(())
}

fn open_route(
    eval: &mut EvalContext<'_, '_>,
    policy: &Policy,
    principal: &Principal,
    route: Option<&Route>,
) -> StepResult<()> {
    let denial = Denial::new(Reason::RouteNotAllowed);
    let Some(route) = route else {
        let asked = eval.input.path != Path::Absent && eval.input.route_scopes.is_none();
        if asked && policy.unmatched == UnmatchedRoute::Deny {
            let detail = || "no route matches, and what matches none is denied".to_owned();
            return Err(eval.explain.fail_with_detail("route", denial, detail));
        }
        eval.explain.pass("route", || "no route decides".to_owned());
        return Ok(());
    };
    let kind = principal.kind();
    if !route.kinds.is_empty() && !route.kinds.iter().any(|k| **k == *kind) {
        let whom = if kind.is_empty() { "user".to_owned() } else { format!("{kind} key") };
        let detail = || format!("{} is not open to {whom}s", route.pattern.text());
        return Err(eval.explain.fail_with_detail("route", denial, detail));
    }
    eval.explain.pass("route", || route.pattern.text().to_owned());
    Ok(())
}

fn scopes(
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
            // Nobody can have been granted what doesn't exist.
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
        eval.explain.pass("scope", || "everything that is needed is granted".to_owned());
        return Ok(());
    }
    let names: Vec<&str> = policy.scopes.names(&missing).chain(unknown.iter().map(String::as_str)).collect();
    let message = format!("The credential lacks the scope {}.", names.join(", "));
    let tried = unknown.is_empty() && eval.scopes_in_shadow(policy, &missing);
    (eval.context.missing_scopes, eval.context.unknown_scopes) = (missing, unknown);
    let denial = eval.explain.fail("scope", Denial::with_message(Reason::InsufficientScope, message));
    if !tried {
        return Err(denial);
    }
    eval.record_shadow(denial, || "every scope that is missing is in shadow".to_owned());
    Ok(())
}

/// What is bound to a resource may touch that one alone; what the request doesn't name is not compared.
fn resource(eval: &mut EvalContext<'_, '_>, principal: &Principal, route: Option<&Route>) -> StepResult<()> {
    let bindings = principal.bindings();
    if bindings.is_empty() {
        eval.explain.pass("resource", || "it is bound to none".to_owned());
        return Ok(());
    }
    let path = match &eval.input.path {
        Path::Canonical(path) => path.as_ref(),
        Path::Absent | Path::NonCanonical => "",
    };
    let in_path = route.into_iter().flat_map(|r| &r.resource);
    let in_path = in_path.map(|(name, place)| (&**name, segment(path, *place).unwrap_or_default()));
    let fixed = &eval.input.route_resource;
    let open = eval.input.resource.iter().copied().chain(in_path);
    let open = open.filter(|(name, _)| fixed.iter().all(|(n, _)| n != name));
    let mut touched = fixed.iter().copied().chain(open);
    let other = touched.find(|(name, value)| bindings.get(name).is_some_and(|bound| bound != *value));
    if let Some((name, _)) = other {
        let denial = Denial::new(Reason::ResourceMismatch);
        let detail = || format!("it is bound to another {name}");
        return Err(eval.explain.fail_with_detail("resource", denial, detail));
    }
    eval.explain.pass("resource", || "within what it is bound to".to_owned());
    Ok(())
}

fn network(eval: &mut EvalContext<'_, '_>, principal: &Principal) -> StepResult<()> {
    let networks = principal.networks();
    let address = eval.input.address.map(|a| a.to_canonical());
    let inside = address.is_some_and(|a| networks.iter().any(|n| n.contains(&a)));
    if !networks.is_empty() && !inside {
        let detail = || match address {
            Some(address) => format!("{address} is in none of its networks"),
            None => "it has networks, and the client's address is not known".to_owned(),
        };
        let denial = Denial::new(Reason::NetworkNotAllowed);
        return Err(eval.explain.fail_with_detail("network", denial, detail));
    }
    eval.explain.pass("network", || "allowed".to_owned());
    Ok(())
}
