//! Values of the chart that contradict each other or have no effect, names at their limits, and what a value changes in the
//! other manifests.

use latchkey_testing::Folder;
use serde_json::{Value, json};

use super::{CHART, created, documents, find, full, helm, rendered, template, validate};
use crate::text;

/// Asserts that Helm refuses each of the values with a message that has the words.
fn refused(cases: Vec<(Value, &str)>) {
    let folder = Folder::new("helm-values");
    for (values, words) in cases {
        let output = template(&folder, &values);
        let message = text(&output);
        assert!(!output.status.success(), "{values} is taken");
        assert!(words.split('|').all(|word| message.contains(word)), "{values}, {words}: {message}");
    }
}

#[test]
fn values_that_contradict_each_other_are_refused() {
    let operators = json!({ "a.example": { "scopes": ["latchkey.admin"] } });
    let issued = |duration: &str, before: &str| json!({ "tls": { "certManager": { "enabled": true, "issuerRef": { "name": "a" }, "duration": duration, "renewBefore": before } } });
    refused(vec![
        (
            json!({ "tls": { "clientCASecret": "a", "clientCAConfigMap": "b" } }),
            "clientCASecret|clientCAConfigMap",
        ),
        (json!({ "tls": { "enabled": false, "clientCASecret": "a" } }), "clientCASecret|tls.enabled"),
        (
            json!({ "tls": { "clientCertificates": false }, "operators": operators }),
            "operators|tls.clientCertificates",
        ),
        (json!({ "tls": { "enabled": false }, "operators": operators }), "operators|tls.enabled"),
        (
            json!({ "tls": { "enabled": false, "certManager": { "enabled": true, "issuerRef": { "name": "a" } } } }),
            "certManager|tls.enabled",
        ),
        (issued("24h", "25h"), "renewBefore"),
        (issued("30m", "10m"), "1h"),
        (
            json!({ "serviceMonitor": { "enabled": true, "interval": "1m30s", "scrapeTimeout": "91s" } }),
            "scrapeTimeout",
        ),
        (json!({ "settings": { "single_replica": true } }), "single_replica|replicaCount"),
        (
            json!({ "settings": { "single_replica": true }, "replicaCount": 1, "autoscaling": { "enabled": true } }),
            "single_replica|autoscaling",
        ),
        (
            json!({ "autoscaling": { "enabled": true }, "resources": { "requests": { "cpu": null } } }),
            "requests.cpu",
        ),
        (json!({ "resources": { "requests": { "memory": "1Gi" } } }), "requests.memory|512Mi"),
        (
            json!({ "resources": { "requests": { "cpu": 2 }, "limits": { "cpu": "1500m" } } }),
            "requests.cpu|1500m",
        ),
        (json!({ "resources": { "limits": { "memory": "256Mi" } } }), "limits.memory|cacheMaxMiB"),
        (json!({ "ports": { "grpc": 8081 } }), "ports.grpc|ports.http"),
    ]);
    let exponent = json!({ "requests": { "memory": "1e8" }, "limits": { "memory": "1e9" } });
    validate(&rendered(&json!({ "resources": exponent, "enabled": true })));
    let (monitor, memory) = (json!({ "enabled": true, "interval": "90s", "scrapeTimeout": "1m30s" }), "4Gi");
    let limits = json!({ "requests": { "memory": "1.5Gi" }, "limits": { "memory": memory } });
    validate(&rendered(
        &json!({ "serviceMonitor": monitor, "resources": limits, "ports": { "management": 8081 } }),
    ));
}

#[test]
fn values_without_an_effect_are_refused() {
    let secrets = created(&json!({ "redisUrl": "redis://h" }));
    refused(vec![
        (json!({ "profiles": { "demo.toml": "a" }, "profilesConfigMap": "b" }), "profilesConfigMap"),
        (
            json!({ "networkPolicy": { "managementFrom": [{ "podSelector": {} }] } }),
            "managementFrom|management.enabled",
        ),
        (
            json!({ "networkPolicy": { "egress": { "rules": [{ "ports": [{ "port": 5432 }] }] } } }),
            "egress.enabled",
        ),
        (
            json!({ "serviceAccount": { "create": false, "annotations": { "a": "b" } } }),
            "serviceAccount.create",
        ),
        (json!({ "secrets": { "databaseUrl": "postgres://h" } }), "secrets.databaseUrl|secrets.create"),
        (secrets, "secrets.redisUrl|redis.enabled"),
        (json!({ "settings": { "unix_socket_mode": "0660" } }), "unix_socket_mode"),
    ]);
}

#[test]
fn a_mistyped_value_does_not_open_or_break_anything() {
    refused(vec![
        // An unknown field would be dropped, and an empty selector selects everything.
        (
            json!({ "networkPolicy": { "grpcFrom": [{ "namespaceSelector": { "matchLabel": { "a": "b" } } }] } }),
            "matchLabel",
        ),
        (
            json!({ "networkPolicy": { "egress": { "enabled": true, "rules": [{ "ports": [{ "prt": 1 }] }] } } }),
            "prt",
        ),
        (json!({ "networkPolicy": { "httpFrom": [{ "ipBlock": { "cidr": "10.0.0.0" } }] } }), "cidr"),
        // A null removes the default.
        (json!({ "tls": { "enabled": null } }), "/tls|enabled"),
        (json!({ "tls": null }), "tls"),
        (json!({ "replicaCount": null }), "replicaCount"),
        (json!({ "networkPolicy": { "enabled": null } }), "/networkPolicy|enabled"),
        (json!({ "probes": { "startup": null } }), "/probes|startup"),
        (json!({ "podDisruptionBudget": { "maxUnavailable": "0%" } }), "maxUnavailable"),
        (json!({ "podDisruptionBudget": { "maxUnavailable": "101%" } }), "maxUnavailable"),
        (json!({ "image": { "repository": "registry.example.com/latchkey:1" } }), "/image/repository"),
        (json!({ "image": { "tag": "a b" } }), "/image/tag"),
        (json!({ "resources": { "requests": { "memory": "much" } } }), "/resources/requests/memory"),
        (json!({ "serviceMonitor": { "interval": "1.5m" } }), "interval"),
        (json!({ "commonLabels": { "app.kubernetes.io/name": "a" } }), "/commonLabels/app.kubernetes.io"),
        (json!({ "podLabels": { "app.kubernetes.io/component": "a" } }), "/podLabels/app.kubernetes.io"),
        (json!({ "podLabels": { "a": "b c" } }), "/podLabels/a"),
        (json!({ "podAnnotations": { "checksum/config": "a" } }), "/podAnnotations/checksum"),
        (
            json!({ "migrations": { "annotations": { "helm.sh/hook": "test" } } }),
            "/migrations/annotations/helm.sh",
        ),
        (json!({ "extraEnv": [{ "name": "LATCHKEY_INSECURE", "value": "true" }] }), "LATCHKEY_INSECURE"),
        (json!({ "extraEnv": [{ "name": "A", "value": "1" }, { "name": "A", "value": "2" }] }), "A twice"),
        (json!({ "extraVolumes": [{ "name": "tls", "emptyDir": {} }] }), "tls"),
        (json!({ "extraVolumes": [{ "emptyDir": {} }] }), "name"),
        (json!({ "extraVolumeMounts": [{ "name": "a", "mountPath": "/a" }] }), "no volume a"),
        (
            json!({ "extraVolumes": [{ "name": "a", "emptyDir": {} }], "extraVolumeMounts": [{ "name": "a", "mountPath": "/secrets/a" }] }),
            "/secrets/a",
        ),
    ]);
}

#[test]
fn names_are_those_that_kubernetes_takes() {
    let folder = Folder::new("helm-names");
    let named = |name: &str, more: &[&str]| {
        helm(&folder, &[&["template", name, CHART, "--namespace", "latchkey"], more].concat())
    };
    for (name, more) in [("my.release", vec![]), ("1st", vec![]), ("a", vec!["--set", "fullnameOverride=1a"])]
    {
        let output = named(name, &more);
        assert!(
            !output.status.success() && text(&output).contains("fullnameOverride"),
            "{name}: {}",
            text(&output)
        );
    }
    let mut jobs = Vec::new();
    for name in ["a".repeat(53), format!("{}--b", "a".repeat(50)), format!("a{}", "-".repeat(51)) + "b"] {
        let output = named(&name, &[]);
        assert!(output.status.success(), "{name}: {}", text(&output));
        let all = documents(&String::from_utf8_lossy(&output.stdout));
        validate(&all);
        for one in &all {
            let name = one["metadata"]["name"].as_str().expect("a name");
            assert!(name.len() <= 63 && !name.ends_with('-'), "{name}");
        }
        let job = all.iter().find(|one| one["kind"] == "Job").expect("a Job");
        jobs.push(job["metadata"]["name"].clone());
    }
    let long = ["c", "d"].map(|end| format!("{}{end}", "b".repeat(62)));
    for name in long {
        let all = rendered(&json!({ "fullnameOverride": name }));
        let job = all.iter().find(|one| one["kind"] == "Job").expect("a Job");
        jobs.push(job["metadata"]["name"].clone());
    }
    jobs.sort_by_key(Value::to_string);
    jobs.dedup();
    assert_eq!(jobs.len(), 5, "{jobs:?}");
}

#[test]
fn labels_and_annotations_of_pods_are_those_of_the_migration_too() {
    let all = rendered(&full());
    let (server, migration) =
        (find(&all, "Deployment", "latchkey-full"), find(&all, "Job", "latchkey-full-migrate"));
    let pod = |one: &Value| one["spec"]["template"]["metadata"].clone();
    for (one, injected, note) in [(server, Value::Null, "c"), (migration, json!("false"), "d")] {
        let pod = pod(one);
        assert_eq!(pod["labels"]["zone"], "inner");
        // commonLabels has another team.
        assert_eq!(
            (&pod["labels"]["team"], &one["metadata"]["labels"]["team"]),
            (&json!("security"), &json!("platform"))
        );
        assert_eq!(
            (&pod["labels"]["sidecar.istio.io/inject"], &pod["annotations"]["example.com/note"]),
            (&injected, &json!(note))
        );
    }
    let spec = &migration["spec"]["template"]["spec"];
    // The account of the release does not exist yet, and a pod that failed must keep its log.
    assert_eq!((&spec["serviceAccountName"], &spec["restartPolicy"]), (&Value::Null, &json!("Never")));
    let all = rendered(&json!({ "serviceAccount": { "create": false, "name": "own" } }));
    assert_eq!(
        find(&all, "Job", "latchkey-migrate")["spec"]["template"]["spec"]["serviceAccountName"],
        "own"
    );
}

#[test]
fn a_database_url_from_another_secret_is_that_of_the_migration_too() {
    let source = json!({ "secretKeyRef": { "name": "postgres-app", "key": "uri" } });
    let all = rendered(&json!({ "extraEnv": [{ "name": "LATCHKEY_DATABASE_URL", "valueFrom": source }] }));
    validate(&all);
    let pod = &find(&all, "Job", "latchkey-migrate")["spec"]["template"]["spec"];
    let variables = pod["containers"][0]["env"].as_array().expect("variables");
    assert_eq!(variables.len(), 1, "{variables:?}");
    assert_eq!(variables[0]["valueFrom"], source);
    assert_eq!(pod["containers"][0]["args"], json!(["migrate", "up"]));
    assert!(pod.get("volumes").is_none(), "{pod}");
}

#[test]
fn a_null_is_an_empty_value() {
    let empty = json!({
        "affinity": null, "extraEnv": null, "networkPolicy": { "grpcFrom": null }, "podLabels": null,
        "resources": { "limits": null, "requests": null }, "settings": null, "topologySpread": { "topologyKeys": null },
    });
    let all = rendered(&empty);
    validate(&all);
    let container = &find(&all, "Deployment", "latchkey")["spec"]["template"]["spec"]["containers"][0];
    assert_eq!(container["resources"]["limits"]["memory"], "512Mi");
}

#[test]
fn what_kubernetes_refuses_is_refused_before_the_migration() {
    refused(vec![
        (json!({ "networkPolicy": { "httpFrom": [{ "ipBlock": { "cidr": "10.0.0.0/33" } }] } }), "cidr"),
        (
            json!({ "networkPolicy": { "grpcFrom": [{ "ipBlock": { "cidr": "::/0" }, "podSelector": {} }] } }),
            "/networkPolicy/grpcFrom/0|maxProperties",
        ),
        (
            json!({ "extraEnv": [{ "name": "A", "value": "1", "valueFrom": { "fieldRef": { "fieldPath": "spec.nodeName" } } }] }),
            "A has value and valueFrom",
        ),
        (json!({ "extraEnv": [{ "name": "A", "valueFrom": {} }] }), "/extraEnv/0/valueFrom"),
    ]);
    let peers = ["10.0.0.0/8", "fd00::/128", "::ffff:10.0.0.0/104"]
        .map(|cidr| json!({ "ipBlock": { "cidr": cidr } }));
    validate(&rendered(&json!({ "networkPolicy": { "httpFrom": peers } })));
}

#[test]
fn an_empty_setting_which_a_replica_refuses_is_refused_before_the_migration() {
    refused(vec![
        (json!({ "settings": { "log": "" } }), "/settings/log"),
        (json!({ "settings": { "database_connections": "" } }), "/settings/database_connections"),
        (json!({ "settings": { "audit_anchor": [] } }), "/settings/audit_anchor"),
    ]);
    validate(&rendered(&json!({ "settings": { "log": "info", "audit_anchor": ["log"] } })));
}

#[test]
fn replicas_never_have_databases_of_their_own() {
    let file = |url: &str, more: Value| {
        let mut values = json!({ "extraEnv": [{ "name": "LATCHKEY_DATABASE_URL", "value": url }] });
        values.as_object_mut().expect("values").extend(more.as_object().expect("values").clone());
        values
    };
    refused(vec![
        (
            file("sqlite:///data/latchkey.db?mode=rwc", json!({})),
            "LATCHKEY_DATABASE_URL|SQLite|single_replica",
        ),
        (
            file("SQLite::memory:", json!({ "replicaCount": 1 })),
            "LATCHKEY_DATABASE_URL|SQLite|single_replica",
        ),
    ]);
    let alone = json!({ "replicaCount": 1, "settings": { "single_replica": true } });
    validate(&rendered(&file("sqlite:///data/latchkey.db", alone)));
    validate(&rendered(&file("postgres://h/latchkey", json!({}))));
}

#[test]
fn a_single_replica_ends_before_the_next_one_starts() {
    for (values, strategy) in [
        (json!({ "settings": { "single_replica": true }, "replicaCount": 1 }), "Recreate"),
        (json!({ "replicaCount": 1 }), "RollingUpdate"),
    ] {
        let all = rendered(&values);
        validate(&all);
        assert_eq!(find(&all, "Deployment", "latchkey")["spec"]["strategy"]["type"], strategy);
    }
}
