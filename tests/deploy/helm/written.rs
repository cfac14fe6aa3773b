//! Values as they are written into the manifests: names that YAML would read as numbers, switches or nothing, large numbers,
//! texts of profiles, and variables that would take the place of what the chart derives.

use std::collections::BTreeSet;

use latchkey_testing::Folder;
use serde_json::{Value, json};

use super::{CHART, DERIVED, documents, find, full, helm, rendered, template, validate};
use crate::{read, text};

/// Variables of secrets, which may come from another Secret.
const SECRETS: [&str; 4] = ["database_url", "master_key", "redis_url", "root_key"];

#[test]
fn a_name_that_yaml_would_read_as_a_number_or_a_switch_stays_a_text() {
    let mut values = full();
    for (path, name) in [
        ("/nameOverride", "123"),
        ("/fullnameOverride", "on"),
        ("/priorityClassName", "1e3"),
        ("/serviceAccount/name", "77"),
        ("/tls/existingSecret", "0x1f"),
        ("/tls/clientCASecret", "5"),
        ("/tls/certManager/issuerRef/name", "12"),
    ] {
        *values.pointer_mut(path).expect("a value") = json!(name);
    }
    let folder = Folder::new("helm-written");
    let file = folder.write("values.json", &values.to_string()).display().to_string();
    let output = helm(&folder, &["template", "2026", CHART, "--namespace", "123", "--values", &file]);
    assert!(output.status.success(), "{}", text(&output));
    let all = documents(&String::from_utf8_lossy(&output.stdout));
    validate(&all);
    let deployment = find(&all, "Deployment", "on");
    assert_eq!(deployment["metadata"]["namespace"], "123");
    let labels = &deployment["spec"]["selector"]["matchLabels"];
    assert_eq!(labels["app.kubernetes.io/name"], "123");
    assert_eq!(labels["app.kubernetes.io/instance"], "2026");
    let certificate = find(&all, "Certificate", "on");
    assert_eq!(certificate["spec"]["secretName"], "0x1f");
    assert_eq!(certificate["spec"]["issuerRef"]["name"], "12");
    let own = json!({ "secrets": { "existingSecret": "123" }, "profilesConfigMap": "7", "tls": { "clientCAConfigMap": "8" } });
    let all = rendered(&own);
    validate(&all);
    let volumes = &find(&all, "Deployment", "latchkey")["spec"]["template"]["spec"]["volumes"];
    let names = ["/1/secret/secretName", "/3/configMap/name", "/4/configMap/name"];
    let names = names.map(|path| volumes.pointer(path).cloned().unwrap_or_default());
    assert_eq!(names, [json!("123"), json!("8"), json!("7")], "{volumes}");
}

#[test]
fn a_large_number_is_written_without_an_exponent() {
    let all =
        rendered(&json!({ "migrations": { "activeDeadlineSeconds": 2_592_000 }, "replicaCount": 1_000_000 }));
    validate(&all);
    assert_eq!(find(&all, "Job", "latchkey-migrate")["spec"]["activeDeadlineSeconds"], 2_592_000);
    assert_eq!(find(&all, "Deployment", "latchkey")["spec"]["replicas"], 1_000_000);
}

#[test]
fn a_profile_is_in_its_config_map_as_it_was_given() {
    let mut texts = vec![read("profiles/demo.toml")];
    for odd in
        ["  name = \"a\"\nb = 1\n", "\n\n   \nname = \"a\"", "\tname = \"a\"\r\n", "# \u{feff}<&>\u{2028}\n"]
    {
        texts.push(odd.to_owned());
    }
    for profile in texts {
        let all = rendered(&json!({ "profiles": { "a.toml": profile } }));
        validate(&all);
        assert_eq!(find(&all, "ConfigMap", "latchkey-profiles")["data"]["a.toml"], profile);
    }
}

#[test]
fn no_variable_takes_the_place_of_what_the_chart_derives() {
    let folder = Folder::new("helm-variables");
    let page = read("docs/settings.md");
    let mut names: BTreeSet<String> = DERIVED.iter().map(|name| (*name).to_owned()).collect();
    for row in page.lines().filter(|row| row.starts_with("| `")) {
        let setting = row.split('`').nth(1).expect("a name");
        if let Some((_, former)) = row.split_once("Former name: `").filter(|_| names.contains(setting)) {
            names.insert(former.split('`').next().expect("a name").to_owned());
        }
    }
    assert!(names.contains("drain_timeout"), "{names:?}");
    for name in names.iter().filter(|name| !SECRETS.contains(&name.as_str())) {
        let variable = format!("LATCHKEY_{}", name.to_uppercase());
        let output = template(&folder, &json!({ "extraEnv": [{ "name": variable, "value": "1" }] }));
        assert!(
            !output.status.success() && text(&output).contains(&variable),
            "{variable}: {}",
            text(&output)
        );
    }
}

#[test]
fn settings_that_a_replica_would_refuse_or_ignore_are_refused() {
    let folder = Folder::new("helm-contradictions");
    let no_certificates = json!({ "clientCertificates": false });
    for (settings, more, words) in [
        (json!({ "check_auth": "certificate" }), json!({ "tls": no_certificates }), "check_auth"),
        (json!({ "check_auth": "key" }), json!({}), "check_keys_file"),
        (json!({ "check_keys_file": "/a" }), json!({}), "check_auth"),
        (json!({ "tls_client_crl": "/a" }), json!({ "tls": no_certificates }), "tls.clientCertificates"),
        (json!({ "management_tls_client_ca": "/a" }), json!({}), "management.enabled"),
        (json!({ "management_tls_client_crl": "/a" }), json!({}), "management.enabled"),
        (json!({ "redis_ca": "/a" }), json!({}), "redis.enabled"),
        (json!({ "redis_deadline": "30ms" }), json!({}), "redis.enabled"),
        (json!({}), json!({ "shutdown": { "timeoutSeconds": 601 } }), "/shutdown/timeoutSeconds"),
    ] {
        let mut values = more;
        values["settings"] = settings;
        let output = template(&folder, &values);
        assert!(!output.status.success() && text(&output).contains(words), "{values}: {}", text(&output));
    }
    let variable = |name: &str| -> Value { json!([{ "name": name, "value": "a" }]) };
    for values in [
        json!({ "settings": { "check_auth": "key" }, "extraEnv": variable("LATCHKEY_CHECK_KEYS_FILE") }),
        json!({ "settings": { "check_keys_file": "/a" }, "extraEnv": variable("LATCHKEY_CHECK_AUTH") }),
        json!({ "settings": { "redis_deadline": "30ms" }, "extraEnv": variable("LATCHKEY_REDIS_URL") }),
        json!({ "settings": { "check_auth": "certificate", "tls_client_crl": "/a" } }),
    ] {
        validate(&rendered(&values));
    }
}
