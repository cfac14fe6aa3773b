//! Values of the chart's `settings` in the settings file of a replica and in the migration, which has no such file.

use serde_json::json;

use super::{find, full, rendered};

#[test]
fn a_ratio_is_in_the_settings_file_as_it_was_given() {
    for (ratio, written) in [(json!(0.5), "0.5"), (json!(1), "1"), (json!("0.25"), "\"0.25\"")] {
        let all = rendered(&json!({ "settings": { "decision_log_denied_ratio": ratio } }));
        let file = find(&all, "ConfigMap", "latchkey")["data"]["latchkey.toml"].as_str().expect("a text");
        let line = format!("decision_log_denied_ratio = {written}");
        assert!(file.lines().any(|one| one == line), "{line}: {file}");
    }
}

#[test]
fn the_migration_has_the_databases_settings_and_the_extra_volumes_and_variables() {
    let all = rendered(&full());
    let pod = &find(&all, "Job", "latchkey-full-migrate")["spec"]["template"]["spec"];
    let container = &pod["containers"][0];
    let variables = container["env"].as_array().expect("variables");
    for (name, value) in [
        ("LATCHKEY_DATABASE_CONNECTIONS", "8"),
        ("LATCHKEY_DATABASE_POOLER", "transaction"),
        // A variable of extraEnv takes the place of the setting.
        ("RUST_LOG", "info"),
    ] {
        let found: Vec<_> = variables.iter().filter(|one| one["name"] == name).collect();
        assert_eq!(found.len(), 1, "{name}: {found:?}");
        assert_eq!(found[0]["value"], value, "{name}");
    }
    let has = |list: &serde_json::Value| {
        list.as_array().expect("a list").iter().any(|one| one["name"] == "redis-ca")
    };
    assert!(has(&container["volumeMounts"]) && has(&pod["volumes"]), "{pod}");
    assert_eq!(pod["priorityClassName"], "system-cluster-critical");
    assert!(pod["affinity"]["nodeAffinity"].is_object(), "{pod}");
    let defaults = rendered(&json!({}));
    let pod = &find(&defaults, "Job", "latchkey-migrate")["spec"]["template"]["spec"];
    let variable = json!([{ "name": "LATCHKEY_DATABASE_URL_FILE", "value": "/secrets/database_url" }]);
    assert_eq!(pod["containers"][0]["env"], variable);
}
