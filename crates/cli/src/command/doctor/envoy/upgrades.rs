//! Handshakes of WebSocket, which Envoy denies unless its configuration permits them.

use latchkey_server::doctor::Finding;
use latchkey_server::profile_test::EnvoyRequirements;
use serde_json::Value;

use super::discovery::ELSEWHERE;
use super::walk::{at, find, text};
use super::wrong;

/// Checks that handshakes pass, if a profile reads the credential from them. A route may permit them instead of the
/// listener, and routes that are discovered are not in this file.
pub(super) fn examine(manager: &Value, name: &str, requirements: &[EnvoyRequirements]) -> Option<Finding> {
    let needed = requirements.iter().find(|requirements| requirements.websocket)?;
    let permits = |value: &Value| {
        value.is_object() && text(value, "upgrade_type").eq_ignore_ascii_case("websocket") && !is_off(value)
    };
    let elsewhere = ELSEWHERE.iter().any(|member| !at(manager, member).is_null());
    if elsewhere || !find(manager, permits).is_empty() {
        return None;
    }
    Some(wrong(
        format!(
            "listener {name}: Envoy denies every handshake of WebSocket with 403, and the profile {} reads values from \
             Sec-WebSocket-Protocol",
            needed.name
        ),
        "set upgrade_configs: [{ upgrade_type: websocket }]",
    ))
}

/// Returns true for an upgrade that is listed and not enabled.
pub(super) fn is_off(value: &Value) -> bool {
    let enabled = at(value, "enabled");
    let enabled = if enabled.is_object() { &enabled["value"] } else { enabled };
    enabled == false
}

#[cfg(test)]
mod tests {
    use latchkey_server::doctor::Severity;
    use serde_json::json;

    use super::*;

    #[test]
    fn handshakes_that_a_profile_reads_are_permitted() {
        let reads = |websocket| {
            vec![EnvoyRequirements { name: "edge".to_owned(), websocket, ..EnvoyRequirements::default() }]
        };
        let upgrade = json!([{ "upgrade_type": "websocket" }]);
        for (manager, permitted) in [
            (json!({}), false),
            (json!({ "upgrade_configs": [] }), false),
            (json!({ "upgrade_configs": [{ "upgrade_type": "CONNECT" }] }), false),
            (json!({ "upgrade_configs": [{ "upgrade_type": "websocket", "enabled": false }] }), false),
            (json!({ "upgradeConfigs": [{ "upgradeType": "WebSocket" }] }), true),
            (json!({ "upgrade_configs": upgrade }), true),
            (
                json!({ "route_config": { "virtual_hosts": [{ "routes": [{ "route": { "upgrade_configs": upgrade } }] }] } }),
                true,
            ),
            (json!({ "rds": { "route_config_name": "r" } }), true),
        ] {
            let found = examine(&manager, "front", &reads(true));
            assert_eq!(found.is_none(), permitted, "{manager}");
            assert!(found.is_none_or(|one| one.severity == Severity::Error && one.message.contains("edge")));
            assert!(examine(&manager, "front", &reads(false)).is_none());
        }
    }
}
