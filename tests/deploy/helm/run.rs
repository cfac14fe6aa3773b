//! Containers of the chart's manifests, run as they are written: the migration, and then a replica.

use std::process::Command;

use latchkey_testing::{Ca, Container, Postgres, Process, eventually, free_port};
use serde_json::{Value, json};

use super::{KEY, find, rendered};
use crate::{read, text};

/// Returns the content of a volume: of the `ConfigMap` in the release, or of the test's secrets.
fn volume(all: &[Value], volume: &Value, secrets: &[(&str, Vec<(String, String)>)]) -> Vec<(String, String)> {
    if let Some(name) = volume["configMap"]["name"].as_str() {
        let data = find(all, "ConfigMap", name)["data"].as_object().expect("data").clone();
        return data
            .iter()
            .map(|(name, text)| (name.clone(), text.as_str().expect("text").to_owned()))
            .collect();
    }
    let name = volume["secret"]["secretName"].as_str().expect("a secret");
    let (_, files) =
        secrets.iter().find(|(have, _)| *have == name).unwrap_or_else(|| panic!("no secret {name}"));
    let items = volume["secret"]["items"].as_array();
    let wanted = |file: &str| items.is_none_or(|items| items.iter().any(|item| item["key"] == file));
    files.iter().filter(|(file, _)| wanted(file)).cloned().collect()
}

/// Returns the container of a pod as its manifest says, and the words of its command.
fn container(
    all: &[Value],
    pod: &Value,
    secrets: &[(&str, Vec<(String, String)>)],
) -> (Container, Vec<String>) {
    let security = &pod["securityContext"];
    assert_eq!((&security["runAsNonRoot"], &security["runAsUser"]), (&json!(true), &json!(65_532)));
    let spec = &pod["containers"][0];
    assert_eq!(spec["securityContext"]["readOnlyRootFilesystem"], true);
    let mut container = Container::new();
    for mount in spec["volumeMounts"].as_array().expect("mounts") {
        let mut volumes = pod["volumes"].as_array().expect("volumes").iter();
        let source = volumes.find(|volume| volume["name"] == mount["name"]).expect("the mount's volume");
        container =
            container.volume(mount["mountPath"].as_str().expect("a path"), &volume(all, source, secrets));
    }
    for variable in spec["env"].as_array().into_iter().flatten() {
        let value = variable["value"].as_str().unwrap_or("latchkey-6f7d9-x1");
        container = container.environment(variable["name"].as_str().expect("a name"), value);
    }
    let entrypoint = "/usr/local/bin/latchkey".to_owned();
    let words = spec["args"].as_array().expect("arguments").iter();
    let words = words.map(|word| word.as_str().expect("a word").to_owned());
    (container, [entrypoint].into_iter().chain(words).collect())
}

#[test]
fn the_containers_run_as_their_manifests_say() {
    let (ca, postgres) = (Ca::new(), Postgres::shared());
    let pair = ca.issue(&["latchkey.latchkey.svc"]);
    let file = |name: &str, text: &str| (name.to_owned(), text.to_owned());
    let secrets = [
        (
            "latchkey",
            vec![
                file("database_url", &postgres.database()),
                file("master_key", KEY),
                file("root_key", "root-key-of-the-tests-0123456789abcdef"),
            ],
        ),
        (
            "latchkey-tls",
            vec![file("tls.crt", &pair.cert), file("tls.key", &pair.key), file("ca.crt", ca.pem())],
        ),
    ];
    let admin = free_port();
    let all = rendered(&json!({
        "ports": { "grpc": free_port(), "http": free_port(), "admin": admin },
        "profiles": { "demo.toml": read("profiles/demo.toml") },
        "operators": { "spiffe://example.com/ops": { "scopes": ["latchkey.admin"] } },
        "settings": { "cache_lease": "60s", "database_deadline": "30s", "database_connections": 4, "audit_anchor": ["log"] },
    }));
    let job = &find(&all, "Job", "latchkey-migrate")["spec"]["template"]["spec"];
    let (migration, words) = container(&all, job, &secrets);
    let output = migration.command(&words).output().expect("unshare starts");
    assert!(output.status.success(), "{words:?}: {}", text(&output));
    let pod = &find(&all, "Deployment", "latchkey")["spec"]["template"]["spec"];
    let (server, words) = container(&all, pod, &secrets);
    let mut process = Process::start(&mut server.command(&words), server.folder(), "serve");
    let probe = &pod["containers"][0]["readinessProbe"]["httpGet"];
    let url = format!("https://127.0.0.1:{admin}{}", probe["path"].as_str().expect("a path"));
    assert_eq!(probe["scheme"], "HTTPS");
    eventually("the pod is ready", || {
        assert!(process.ended().is_none(), "it ended:\n{}", process.log());
        let probed = Command::new("curl").args(["--silent", "--fail", "--insecure", &url]).output();
        probed.expect("curl starts").status.success().then_some(())
    });
    let health =
        ["/usr/local/bin/latchkey", "health", "--timeout", "60", "--config", "/config/latchkey.toml"];
    let mut health = server.command(&health);
    let output = health.output().expect("unshare starts");
    assert_eq!(text(&output), "ready\n");
    assert!(!process.log().contains("WARN"), "{}", process.log());
}
