//! May it do this? Pure: the principal, the route and the request are compared, and nothing is fetched.

use super::{Case, Judged};
use crate::access::{Path, Target};
use crate::decision::Denial;
use crate::policy::{Policy, Unmatched};
use crate::principal::Principal;
use crate::reason::Reason;
use crate::route::{Route, segment};
use crate::scope::ScopeSet;

/// Environment, route, scopes, resource and network, in this order.
pub(super) fn permit(
    case: &mut Case<'_, '_>,
    policy: &Policy,
    who: &Principal,
    route: Option<&Route>,
) -> Judged<()> {
    environment(case, who)?;
    open_route(case, policy, who, route)?;
    scopes(case, policy, who, route)?;
    resource(case, who, route)?;
    network(case, who)
}

fn environment(case: &mut Case<'_, '_>, who: &Principal) -> Judged<()> {
    let own = who.environment();
    let fits = match case.access.environment {
        Target::Any => true,
        Target::Named(name) => own.is_none_or(|own| *own == *name),
        Target::Unknown => false,
    };
    let own = own.unwrap_or("any");
    if !fits {
        let target = case.access.environment;
        let detail = || match target {
            Target::Named(name) => format!("a {own} credential, used on {name}"),
            Target::Any | Target::Unknown => "no environment is known for this host".to_owned(),
        };
        let denial = Denial::plain(Reason::EnvironmentMismatch);
        return Err(case.trail.fail_because("environment", denial, detail));
    }
    case.trail.pass("environment", || own.to_owned());
    Ok(())
}

fn open_route(
    case: &mut Case<'_, '_>,
    policy: &Policy,
    who: &Principal,
    route: Option<&Route>,
) -> Judged<()> {
    let denial = Denial::plain(Reason::RouteNotAllowed);
    let Some(route) = route else {
        let asked = case.access.path != Path::NotGiven && case.access.route_scopes.is_none();
        if asked && policy.unmatched == Unmatched::Deny {
            let detail = || "no route matches, and what matches none is denied".to_owned();
            return Err(case.trail.fail_because("route", denial, detail));
        }
        case.trail.pass("route", || "no route decides".to_owned());
        return Ok(());
    };
    let kind = who.kind();
    if !route.kinds.is_empty() && !route.kinds.iter().any(|k| **k == *kind) {
        let whom = if kind.is_empty() { "user".to_owned() } else { format!("{kind} key") };
        let detail = || format!("{} is not open to {whom}s", route.pattern.text());
        return Err(case.trail.fail_because("route", denial, detail));
    }
    case.trail.pass("route", || route.pattern.text().to_owned());
    Ok(())
}

fn scopes(case: &mut Case<'_, '_>, policy: &Policy, who: &Principal, route: Option<&Route>) -> Judged<()> {
    let granted = &who.granted;
    let mut missing = ScopeSet::default();
    let mut unknown = Vec::new();
    let named = case.access.route_scopes.iter().flatten().chain(&case.access.scopes);
    for name in named {
        match policy.scopes.find(name) {
            Some(scope) if granted.contains(scope) => {}
            Some(scope) => missing.insert(scope),
            // Nobody can have been granted what doesn't exist.
            None => unknown.push((*name).to_owned()),
        }
    }
    if let Some(route) = route.filter(|_| case.access.route_scopes.is_none()) {
        route.scopes.without(granted).iter().for_each(|s| missing.insert(s));
        if !route.any_scopes.is_empty() && !route.any_scopes.meets(granted) {
            route.any_scopes.iter().for_each(|s| missing.insert(s));
        }
    }
    if missing.is_empty() && unknown.is_empty() {
        case.trail.pass("scope", || "everything that is needed is granted".to_owned());
        return Ok(());
    }
    let names: Vec<&str> = policy.scopes.names(&missing).chain(unknown.iter().map(String::as_str)).collect();
    let message = format!("The credential lacks the scope {}.", names.join(", "));
    let tried = unknown.is_empty() && case.tries_scopes(policy, &missing);
    (case.seen.missing, case.seen.unknown) = (missing, unknown);
    let denial = case.trail.fail("scope", Denial::saying(Reason::InsufficientScope, message));
    if !tried {
        return Err(denial);
    }
    case.keep(denial, || "every scope that is missing is in shadow".to_owned());
    Ok(())
}

/// What is bound to a resource may touch that one alone; what the request doesn't name is not compared.
fn resource(case: &mut Case<'_, '_>, who: &Principal, route: Option<&Route>) -> Judged<()> {
    let bindings = who.bindings();
    if bindings.is_empty() {
        case.trail.pass("resource", || "it is bound to none".to_owned());
        return Ok(());
    }
    let path = match &case.access.path {
        Path::Canonical(path) => path.as_ref(),
        Path::NotGiven | Path::Unsafe => "",
    };
    let in_path = route.into_iter().flat_map(|r| &r.resource);
    let in_path = in_path.map(|(name, place)| (&**name, segment(path, *place).unwrap_or_default()));
    let fixed = &case.access.route_resource;
    let open = case.access.resource.iter().copied().chain(in_path);
    let open = open.filter(|(name, _)| fixed.iter().all(|(n, _)| n != name));
    let mut touched = fixed.iter().copied().chain(open);
    let other = touched.find(|(name, value)| bindings.get(name).is_some_and(|bound| bound != *value));
    if let Some((name, _)) = other {
        let denial = Denial::plain(Reason::ResourceMismatch);
        let detail = || format!("it is bound to another {name}");
        return Err(case.trail.fail_because("resource", denial, detail));
    }
    case.trail.pass("resource", || "within what it is bound to".to_owned());
    Ok(())
}

fn network(case: &mut Case<'_, '_>, who: &Principal) -> Judged<()> {
    let networks = who.networks();
    let address = case.access.address.map(|a| a.to_canonical());
    let inside = address.is_some_and(|a| networks.iter().any(|n| n.contains(&a)));
    if !networks.is_empty() && !inside {
        let detail = || match address {
            Some(address) => format!("{address} is in none of its networks"),
            None => "it has networks, and the client's address is not known".to_owned(),
        };
        let denial = Denial::plain(Reason::NetworkNotAllowed);
        return Err(case.trail.fail_because("network", denial, detail));
    }
    case.trail.pass("network", || "allowed".to_owned());
    Ok(())
}
