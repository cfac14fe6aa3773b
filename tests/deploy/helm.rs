//! The Helm chart, rendered by the real Helm: every manifest is valid, invalid values are refused with clear
//! messages, and the containers of its manifests run as they are written, with the real program and a real
//! PostgreSQL.

mod run;
mod settings;
mod values;
mod written;

use std::collections::BTreeSet;
use std::process::{Command, Output};

use latchkey_testing::{Folder, tool};
use serde_json::{Value, json};

use crate::schemas::validate_files;
use crate::{read, root, text};

const CHART: &str = "deploy/helm/latchkey";
/// Settings that the chart derives from its values, or that have no use in a container.
const DERIVED: [&str; 20] = [
    "admin_addr",
    "cache_max_bytes",
    "database_url",
    "grpc_addr",
    "http_addr",
    "http_tls",
    "insecure",
    "management_addr",
    "master_key",
    "profiles",
    "redis_url",
    "replica_name",
    "root_key",
    "shutdown_delay",
    "shutdown_timeout",
    "tls_cert",
    "tls_client_ca",
    "tls_key",
    "unix_socket_group",
    "unix_socket_mode",
];
const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

fn helm(folder: &Folder, words: &[&str]) -> Output {
    let mut command = Command::new(tool("helm"));
    // Helm keeps its caches in the home folder.
    command.env("HOME", folder.path()).current_dir(root()).args(words);
    command.output().expect("helm starts")
}

/// Renders the chart with values, as YAML.
fn template(folder: &Folder, values: &Value) -> Output {
    let file = folder.write("values.json", &values.to_string());
    let file = file.display().to_string();
    helm(folder, &["template", "latchkey", CHART, "--namespace", "latchkey", "--values", &file])
}

fn documents(yaml: &str) -> Vec<Value> {
    let parts = yaml.split("\n---\n").filter(|part| part.lines().any(|line| line.starts_with("kind:")));
    parts.map(|part| serde_saphyr::from_str(part).unwrap_or_else(|e| panic!("{e}: {part}"))).collect()
}

fn rendered(values: &Value) -> Vec<Value> {
    let output = template(&Folder::new("helm"), values);
    assert!(output.status.success(), "{values}: {}", text(&output));
    documents(&String::from_utf8_lossy(&output.stdout))
}

fn find<'d>(all: &'d [Value], kind: &str, name: &str) -> &'d Value {
    let found = all.iter().find(|one| one["kind"] == kind && one["metadata"]["name"] == name);
    found.unwrap_or_else(|| panic!("there is no {kind} {name}"))
}

fn full() -> Value {
    serde_saphyr::from_str(&read("tests/deploy/helm/full.yaml")).expect("YAML")
}

/// Validates manifests: Kubernetes' own kinds by kubernetes-validate, and others by the definitions beside this file.
fn validate(all: &[Value]) {
    let folder = Folder::new("helm-validate");
    let (mut own, mut others) = (Vec::new(), Vec::new());
    for (number, one) in all.iter().enumerate() {
        let api = one["apiVersion"].as_str().expect("a version");
        let custom = api.starts_with("cert-manager.io/") || api.starts_with("monitoring.coreos.com/");
        let file = folder.write(&format!("{number}.yaml"), &one.to_string());
        if custom { &mut others } else { &mut own }.push(file);
    }
    let python = root().join(".tools/kubernetes");
    let mut command = Command::new("python3");
    command.arg(python.join("bin/kubernetes-validate")).arg("--strict").args(&own).env("PYTHONPATH", &python);
    let output = command.output().expect("python3 starts");
    assert!(output.status.success(), "{}", text(&output));
    let output = validate_files(&others);
    assert!(output.status.success(), "{}", text(&output));
}

#[test]
fn the_chart_passes_helms_own_lint() {
    let folder = Folder::new("helm-lint");
    for values in ["tests/deploy/helm/full.yaml", "deploy/helm/latchkey/values.yaml"] {
        let output = helm(&folder, &["lint", "--strict", CHART, "--values", values]);
        assert!(output.status.success(), "{values}: {}", text(&output));
    }
}

#[test]
fn the_chart_names_no_file_outside_of_its_package() {
    for file in ["README.md", "values.yaml", "values.schema.json", "templates/NOTES.txt"] {
        let content = read(&format!("{CHART}/{file}"));
        assert!(!content.contains("docs/") && !content.contains("../"), "{file}");
    }
}

#[test]
fn every_manifest_is_valid_with_defaults_and_with_every_option() {
    let (defaults, all) = (rendered(&json!({})), rendered(&full()));
    validate(&defaults);
    validate(&all);
    let kinds = |documents: &[Value]| -> BTreeSet<String> {
        documents.iter().map(|one| one["kind"].as_str().expect("a kind").to_owned()).collect()
    };
    let missing = ["Certificate", "HorizontalPodAutoscaler", "Secret", "ServiceMonitor"];
    let missing: BTreeSet<String> = missing.map(str::to_owned).into();
    assert_eq!(&kinds(&all) - &kinds(&defaults), missing);
    // Each option is set alone, so that none depends on another by accident.
    for values in [
        json!({ "tls": { "enabled": false } }),
        json!({ "tls": { "clientCertificates": false } }),
        json!({ "tls": { "clientCAConfigMap": "ca" }, "profilesConfigMap": "products" }),
        json!({ "networkPolicy": { "grpcFrom": [], "metricsFrom": [] } }),
        json!({ "migrations": { "enabled": false }, "serviceAccount": { "create": false } }),
        json!({ "networkPolicy": { "enabled": false }, "podDisruptionBudget": { "enabled": false } }),
        json!({ "service": { "headless": false }, "serviceMonitor": { "enabled": true }, "tls": { "enabled": false } }),
        json!({ "management": { "enabled": true }, "topologySpread": { "topologyKeys": [] } }),
    ] {
        validate(&rendered(&values));
    }
}

/// Returns the paths of all leaves of a schema's objects that have fields.
fn leaves(schema: &Value, path: &str, found: &mut Vec<String>) {
    match schema["properties"].as_object().filter(|_| schema["additionalProperties"] == false) {
        Some(fields) => {
            for (name, inner) in fields {
                leaves(inner, &format!("{path}/{name}"), found);
            }
        }
        None => found.push(path.to_owned()),
    }
}

#[test]
fn the_test_with_every_option_has_every_option() {
    let schema: Value = serde_json::from_str(&read("deploy/helm/latchkey/values.schema.json")).expect("JSON");
    let values: Value = serde_saphyr::from_str(&read("deploy/helm/latchkey/values.yaml")).expect("YAML");
    let (mut paths, full) = (Vec::new(), full());
    leaves(&schema, "", &mut paths);
    paths.retain(|path| !path.starts_with("/settings/") && !["/global", "/enabled"].contains(&path.as_str()));
    assert!(paths.len() > 80, "{paths:?}");
    for path in paths {
        assert!(full.pointer(&path).is_some(), "{path} is missing in tests/deploy/helm/full.yaml");
        let probe = path.starts_with("/probes/");
        assert!(probe || values.pointer(&path).is_some(), "{path} is missing in values.yaml");
    }
}

#[test]
fn the_schema_knows_every_setting_and_no_other() {
    let schema: Value = serde_json::from_str(&read("deploy/helm/latchkey/values.schema.json")).expect("JSON");
    let known = schema["properties"]["settings"]["properties"].as_object().expect("settings");
    let known: BTreeSet<String> = known.keys().cloned().collect();
    let page = read("docs/settings.md");
    let rows = page.lines().filter(|line| line.starts_with("| `"));
    let settings = rows.map(|row| {
        let name = row.split('`').nth(1).expect("a name");
        if row.contains("A secret.") { format!("{name}_file") } else { name.to_owned() }
    });
    let derived = |name: &String| DERIVED.contains(&name.trim_end_matches("_file"));
    let settings: BTreeSet<String> = settings.filter(|name| !derived(name)).collect();
    assert_eq!(known, settings, "change properties.settings in values.schema.json, or DERIVED in this test");
}

/// Returns values that create the Secret, with further values of it.
fn created(more: &Value) -> Value {
    let mut secrets = json!({ "create": true, "databaseUrl": "postgres://l@h/d", "masterKey": KEY, "rootKey": "r".repeat(32) });
    secrets.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
    json!({ "secrets": secrets })
}

#[test]
fn bad_values_are_refused_by_name() {
    let folder = Folder::new("helm-refused");
    for (values, words) in [
        (json!({ "replicas": 3 }), vec!["replicas"]),
        (json!({ "replicaCount": 0 }), vec!["replicaCount", "1"]),
        (json!({ "replicaCount": "three" }), vec!["replicaCount", "integer"]),
        (json!({ "settings": { "cache_leese": "60s" } }), vec!["settings", "cache_leese"]),
        (json!({ "settings": { "grpc_addr": "0.0.0.0:1" } }), vec!["settings", "grpc_addr"]),
        (json!({ "settings": { "database_url": "postgres://x" } }), vec!["settings", "database_url"]),
        (json!({ "settings": { "single_replica": "yes" } }), vec!["single_replica", "boolean"]),
        (json!({ "settings": { "cache_lease": 30 } }), vec!["cache_lease", "string"]),
        (json!({ "settings": { "check_auth": 1 } }), vec!["check_auth", "string"]),
        (json!({ "settings": { "database_connections": 1.5 } }), vec!["database_connections", "integer"]),
        (json!({ "image": { "digest": "sha256:12" } }), vec!["digest"]),
        (json!({ "image": { "pullPolicy": "Sometimes" } }), vec!["pullPolicy", "IfNotPresent"]),
        (json!({ "secrets": { "existingSecret": "" } }), vec!["existingSecret"]),
        (json!({ "secrets": { "create": true } }), vec!["databaseUrl", "masterKey", "rootKey"]),
        (created(&json!({ "databaseUrl": "sqlite://x" })), vec!["databaseUrl"]),
        (created(&json!({ "masterKey": "short" })), vec!["masterKey"]),
        (created(&json!({ "rootKey": "short" })), vec!["rootKey"]),
        (json!({ "tls": { "certManager": { "enabled": true } } }), vec!["issuerRef", "name"]),
        (json!({ "ports": { "grpc": 443 } }), vec!["grpc", "1,024"]),
        (json!({ "operators": { "a.example": { "scope": ["x"] } } }), vec!["operators", "scope"]),
        (json!({ "operators": { "a.example": { "scopes": [] } } }), vec!["scopes"]),
        (json!({ "profiles": { "demo": "name = 'demo'" } }), vec!["profiles", "demo"]),
        (json!({ "networkPolicy": { "grpcFrom": [{}] } }), vec!["grpcFrom"]),
        (json!({ "networkPolicy": { "grpcFrom": [{ "namespace": "a" }] } }), vec!["grpcFrom", "namespace"]),
        (
            json!({ "autoscaling": { "enabled": true, "minReplicas": 9, "maxReplicas": 3 } }),
            vec!["minReplicas"],
        ),
        (json!({ "cacheMaxMiB": "256MiB" }), vec!["cacheMaxMiB", "integer"]),
        (json!({ "serviceMonitor": { "interval": "soon" } }), vec!["interval"]),
    ] {
        let output = template(&folder, &values);
        let message = text(&output);
        assert!(!output.status.success(), "{values} is taken");
        assert!(words.iter().all(|word| message.contains(word)), "{values}, {words:?}: {message}");
    }
}

#[test]
fn a_secret_of_a_wrong_form_is_refused_without_its_value() {
    let folder = Folder::new("helm-secrets");
    let redis = |url: &str| {
        let mut values = created(&json!({ "redisUrl": url }));
        values["redis"] = json!({ "enabled": true });
        template(&folder, &values)
    };
    assert!(text(&redis("")).contains("secrets.redisUrl is empty"));
    for scheme in ["redis", "rediss", "redis+cluster", "rediss+sentinel"] {
        let output = redis(&format!("{scheme}://user:password@redis.example:6379/name"));
        assert!(output.status.success(), "{}", text(&output));
    }
    // Helm's output is kept in the logs of pipelines.
    for name in ["databaseUrl", "masterKey", "rootKey", "redisUrl"] {
        let mut values = created(&json!({ name: "hunter2:/x" }));
        values["redis"] = json!({ "enabled": true });
        let output = template(&folder, &values);
        let message = text(&output);
        let named = message.contains(&format!("secrets.{name} is not"));
        assert!(!output.status.success() && named && !message.contains("hunter2"), "{message}");
    }
}

#[test]
fn the_network_policy_says_who_may_reach_which_port() {
    let ports = |values: &Value| -> Vec<(String, Value)> {
        let all = rendered(values);
        let policy = all.iter().find(|one| one["kind"] == "NetworkPolicy").expect("a policy").clone();
        let rules = policy["spec"]["ingress"].as_array().cloned().unwrap_or_default();
        // A rule without peers admits every pod.
        assert!(
            rules.iter().all(|rule| rule["from"].as_array().is_some_and(|from| !from.is_empty())),
            "{policy}"
        );
        let port = |rule: &Value| rule["ports"][0]["port"].as_str().expect("a port").to_owned();
        rules.iter().map(|rule| (port(rule), rule["from"].clone())).collect()
    };
    let names = |values: &Value| ports(values).into_iter().map(|(port, _)| port).collect::<Vec<_>>();
    assert_eq!(names(&json!({})), ["grpc", "admin"]);
    assert_eq!(names(&json!({ "networkPolicy": { "grpcFrom": [], "metricsFrom": [] } })), [""; 0]);
    let tools = json!({ "managementFrom": [{ "podSelector": {} }] });
    assert_eq!(
        names(&json!({ "management": { "enabled": true }, "networkPolicy": tools })),
        ["grpc", "management", "admin"]
    );
    let full = ports(&full());
    assert_eq!(full[1].0, "management");
    assert_eq!(full[1].1[0]["ipBlock"]["except"][0], "10.9.0.0/16");
}

#[test]
fn the_memory_limit_has_room_for_the_cache() {
    for cache in [16_u64, 256, 1024, 8192] {
        let all = rendered(&json!({ "cacheMaxMiB": cache }));
        let deployment = find(&all, "Deployment", "latchkey");
        let limit = &deployment["spec"]["template"]["spec"]["containers"][0]["resources"]["limits"]["memory"];
        let limit: u64 =
            limit.as_str().and_then(|text| text.strip_suffix("Mi")).expect("Mi").parse().expect("a number");
        assert!(limit >= cache + cache / 5 + 192, "{limit} MiB for a cache of {cache} MiB");
    }
}
