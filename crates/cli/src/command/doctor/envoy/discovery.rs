//! Parts of a configuration that Envoy discovers, and that a file does not have: filters (ECDS), listeners (LDS) and routes
//! (RDS). The dump of the admin address has them, but for the routes of scopes (SRDS).

use latchkey_server::doctor::Finding;
use serde_json::Value;

use super::walk::{at, find, find_all, kinds, text, typed};
use super::{FILTER, doubtful};

const LISTENERS: &str = "envoy.admin.v3.ListenersConfigDump";
const ROUTES: &str = "envoy.config.route.v3.RouteConfiguration";
/// Members of a connection manager that name routes elsewhere.
pub(super) const ELSEWHERE: [&str; 2] = ["rds", "scoped_routes"];

fn unread(what: String) -> Finding {
    doubtful(what, "give Envoy's admin address, which knows it")
}

/// Reports a filter that asks Latchkey with a configuration of its own that is discovered.
pub(super) fn filters(configuration: &Value) -> Option<Finding> {
    let discovered = find(configuration, |value| {
        !at(value, "config_discovery").is_null() && kinds(value).contains(&FILTER)
    });
    let what =
        "the configuration of the filter that asks Latchkey is discovered (ECDS), and is not in this file";
    (!discovered.is_empty()).then(|| unread(what.to_owned()))
}

/// Reports listeners that are discovered, unless this is a dump, which lists them.
pub(super) fn listeners(configuration: &Value) -> Option<Finding> {
    let named = |value: &Value| {
        ["lds_config", "lds_resources_locator"].iter().any(|member| !at(value, member).is_null())
    };
    let discovered = !find(configuration, |value| value.is_object() && named(value)).is_empty();
    let listed = !find(configuration, |value| typed(value, LISTENERS)).is_empty();
    let what = "listeners are discovered (LDS), and are not in this file: they may let requests pass without asking Latchkey";
    (discovered && !listed).then(|| unread(what.to_owned()))
}

/// Returns the routes of a connection manager: its own, or the discovered ones of a dump.
pub(super) fn routes<'a>(
    configuration: &'a Value,
    manager: &'a Value,
    name: &str,
) -> Result<&'a Value, Finding> {
    let own = at(manager, "route_config");
    if ELSEWHERE.iter().all(|member| at(manager, member).is_null()) {
        let hosts = "some of its virtual hosts are discovered (VHDS), and are not looked at";
        return if at(own, "vhds").is_null() {
            Ok(own)
        } else {
            Err(unread(format!("listener {name}: {hosts}")))
        };
    }
    if !at(manager, "scoped_routes").is_null() {
        return Err(doubtful(
            format!("listener {name}: its routes are chosen by scopes (SRDS), and are not looked at"),
            "check that the routes of each scope ask Latchkey",
        ));
    }
    let wanted = text(manager, "rds/route_config_name");
    let is_it = |value: &Value| typed(value, ROUTES) && text(value, "name") == wanted && !wanted.is_empty();
    find_all(configuration, is_it).into_iter().next().ok_or_else(|| {
        unread(format!("listener {name}: its routes are discovered (RDS), and are not in this configuration"))
    })
}
