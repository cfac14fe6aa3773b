//! Values of Envoy's route (`context_extensions`): its scopes and resources, and mistakes in their names. Only the
//! operator's configuration can set them, so that an unknown name is a mistake of the operator.

use std::collections::BTreeSet;

use latchkey_core::check_input::{Resources, ScopeNames};
use latchkey_core::choices::not_one_of;
use latchkey_core::excerpt::Quoted;
use latchkey_core::policy::Policy;

use crate::request::Request;
use crate::route_values::{NAMES, RESOURCE, is_resource_value};
use crate::source::Source;

/// Returns the resources that Envoy's route names.
pub(super) fn resources<'a>(request: &'a Request<'_>) -> Resources<'a> {
    let entries = request.context.iter();
    entries.filter_map(|(name, value)| Some((name.strip_prefix(RESOURCE)?, *value))).collect()
}

/// Returns the scopes that Envoy's route requires in place of the document's, if it names any.
pub(super) fn scopes<'a>(request: &'a Request<'_>) -> Option<ScopeNames<'a>> {
    let (_, listed) = request.context.iter().find(|(name, _)| *name == "scopes")?;
    Some(listed.split(',').map(str::trim).filter(|s| !s.is_empty()).collect())
}

/// Returns the names of values that a profile has for resources: those of its sources, its routes, and the bindings of
/// its kinds. A profile that names no resource takes any.
pub(crate) fn resource_names(policy: &Policy, sources: &[(Box<str>, Source)]) -> Vec<Box<str>> {
    let routes = (0..).map_while(|number| policy.routes.get(number));
    let of_routes = routes.flat_map(|route| route.resource.iter().map(|(name, _)| name));
    let of_kinds = policy.kinds.iter().flat_map(|kind| &kind.bindings);
    let names: BTreeSet<&Box<str>> =
        sources.iter().map(|(name, _)| name).chain(of_routes).chain(of_kinds).collect();
    names.into_iter().map(|name| format!("{RESOURCE}{name}").into()).collect()
}

/// Returns the description of the first value of Envoy's route that has no meaning, is empty or lists nothing.
/// `resources` are the names of values that the profile has for resources.
pub(crate) fn mistake(request: &Request<'_>, resources: &[Box<str>]) -> Option<String> {
    request.context.iter().find_map(|(name, value)| {
        if !is_known(name, resources) {
            let any = if resources.is_empty() { Some("resource.NAME") } else { None };
            let known = NAMES.into_iter().chain(resources.iter().map(|name| &**name)).chain(any);
            return Some(format!(
                "The proxy's route has a wrong context extension: {}.",
                not_one_of(name, known)
            ));
        }
        let is_empty = value.split(',').all(|part| part.trim().is_empty());
        is_empty.then(|| format!("The proxy's route has an empty context extension {}.", Quoted(name)))
    })
}

fn is_known(name: &str, resources: &[Box<str>]) -> bool {
    if NAMES.contains(&name) || resources.iter().any(|known| **known == *name) {
        return true;
    }
    resources.is_empty() && is_resource_value(name)
}
