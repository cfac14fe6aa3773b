//! Requests that the service behind Envoy serves.

use std::collections::BTreeSet;

use latchkey_core::route::Route;

use super::patterns::replace_placeholders;
use crate::profile::Profile;

impl Profile {
    /// Returns the method and a path of each route that is no endpoint.
    pub(super) fn upstream_requests(&self) -> Vec<(String, String)> {
        let (endpoints, routes) = (&self.rules.endpoints.routes, &self.policy.routes);
        let patterns: BTreeSet<&str> =
            (0..).map_while(|index| endpoints.get(index)).map(|route| route.pattern.text()).collect();
        let others = (0..).map_while(|index| routes.get(index));
        let others = others.filter(|route| !patterns.contains(route.pattern.text()));
        let request = |route: &Route| {
            let method = route.methods.first().map_or_else(|| "GET".to_owned(), ToString::to_string);
            (method, replace_placeholders(route.pattern.text(), "x", "x"))
        };
        others.map(request).collect()
    }
}
