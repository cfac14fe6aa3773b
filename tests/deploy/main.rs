//! Deployment files that users copy: every Envoy configuration is checked by the real Envoy and by `latchkey doctor`,
//! Kubernetes resources by its schemas, and the unit by systemd. None of them has a secret.

mod alerts;
mod gateway;
mod helm;
mod install;
mod limits;
mod repository;
mod schemas;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use latchkey_testing::{Folder, program, replace_once, tool};

const PRODUCTS: [&str; 6] = ["auxvault", "demo", "lumen", "luxcore", "luxor", "paykore"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(name: &str) -> String {
    std::fs::read_to_string(root().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn files(folder: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(root().join(folder)).expect("a folder that ships");
    entries.map(|entry| entry.expect("an entry").path()).filter(|path| path.is_file()).collect()
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&[output.stdout.as_slice(), &output.stderr].concat()).into_owned()
}

/// Runs the program without the environment and configuration of the user who runs the tests.
fn latchkey(folder: &Folder, words: &[&str]) -> Output {
    let mut command = Command::new(program());
    command.env_clear().env("HOME", folder.path()).current_dir(root()).args(words);
    command.output().expect("the program starts")
}

fn envoy_takes(config: &Path) {
    let output = Command::new(tool("envoy")).args(["--mode", "validate", "-c"]).arg(config).output();
    let output = output.expect("envoy starts");
    assert!(output.status.success(), "{}: {}", config.display(), text(&output));
}

#[test]
fn the_configuration_for_every_product_is_taken_by_envoy_and_found_right() {
    let folder = Folder::new("deploy");
    for product in PRODUCTS {
        let document = format!("profiles/{product}.toml");
        let printed = latchkey(&folder, &["envoy-config", &document]);
        assert!(printed.status.success(), "{product}: {}", text(&printed));
        let config = folder.write(&format!("{product}.yaml"), &text(&printed));
        envoy_takes(&config);
        let config = config.display().to_string();
        let judged =
            latchkey(&folder, &["doctor", "--envoy-only", "--envoy", &config, "--profile", &document]);
        let message = text(&judged);
        assert!(judged.status.success() && message.contains("0 errors, 0 warnings"), "{product}: {message}");
    }
}

#[test]
fn a_configuration_with_a_key_of_envoys_own_is_taken_by_envoy_and_found_right() {
    let folder = Folder::new("deploy-key");
    let words = ["envoy-config", "profiles/demo.toml", "--caller-key-variable", "LATCHKEY_CHECK_KEY"];
    let printed = text(&latchkey(&folder, &words));
    assert!(printed.contains("Bearer %ENVIRONMENT(LATCHKEY_CHECK_KEY)%"), "{printed}");
    let config = folder.write("envoy.yaml", &printed);
    envoy_takes(&config);
    let words = ["doctor", "--envoy-only", "--envoy", &config.display().to_string()];
    let message = text(&latchkey(&folder, &[&words[..], &["--profile", "profiles/demo.toml"]].concat()));
    assert!(message.contains("0 errors, 0 warnings"), "{message}");
}

#[test]
fn the_example_is_what_the_program_prints() {
    let printed = latchkey(&Folder::new("deploy"), &["envoy-config", "profiles/paykore.toml"]);
    let example = std::fs::read_to_string(root().join("deploy/envoy/envoy.yaml")).expect("the example");
    assert_eq!(
        text(&printed),
        example,
        "run latchkey envoy-config profiles/paykore.toml > deploy/envoy/envoy.yaml"
    );
}

#[test]
fn a_configuration_with_certificates_is_taken_by_envoy() {
    let (folder, ca) = (Folder::new("deploy-tls"), latchkey_testing::Ca::new());
    let pair = ca.issue(&["envoy.example"]);
    let path = |name: &str, text: &str| folder.write(name, text).display().to_string();
    let (ca, cert, key) =
        (path("ca.pem", ca.pem()), path("cert.pem", &pair.cert), path("key.pem", &pair.key));
    for latchkey_at in ["latchkey.internal:50051", "10.0.0.9:50051", "[fd00::9]:50051"] {
        let words = ["envoy-config", "profiles/demo.toml", "--latchkey", latchkey_at, "--latchkey-ca", &ca];
        let printed =
            latchkey(&folder, &[words.as_slice(), &["--client-cert", &cert, "--client-key", &key]].concat());
        assert!(printed.status.success(), "{}", text(&printed));
        envoy_takes(&folder.write("envoy.yaml", &text(&printed)));
    }
}

#[test]
fn every_resource_of_kubernetes_is_one() {
    let python = root().join(".tools/kubernetes");
    let checker = python.join("bin/kubernetes-validate");
    assert!(checker.is_file(), "kubernetes-validate is missing: run scripts/setup");
    let mut resources = files("deploy/kubernetes");
    resources.retain(|path| {
        path.extension().is_some_and(|e| e == "yaml") && !path.ends_with("kustomization.yaml")
    });
    assert!(resources.len() >= 6, "{resources:?}");
    let list =
        std::fs::read_to_string(root().join("deploy/kubernetes/kustomization.yaml")).expect("the list");
    for resource in &resources {
        let name = resource.file_name().expect("a file has a name").to_string_lossy();
        assert!(list.contains(&format!("- {name}")), "{name} is not in kustomization.yaml");
    }
    let output = Command::new("python3")
        .arg(checker)
        .arg("--strict")
        .args(&resources)
        .env("PYTHONPATH", &python)
        .output();
    let output = output.expect("python3 starts");
    assert!(output.status.success(), "{}", text(&output));
}

#[test]
fn the_probes_use_tls_where_the_admin_port_does() {
    let settings = read("deploy/kubernetes/latchkey.toml");
    // This setting puts the admin port under TLS as well.
    let tls = settings.lines().any(|line| line == "http_tls = true");
    assert!(settings.contains("admin_addr = "), "{settings}");
    let deployment = serde_saphyr::from_str::<serde_json::Value>(&read("deploy/kubernetes/deployment.yaml"));
    let deployment = deployment.expect("YAML");
    let container = &deployment["spec"]["template"]["spec"]["containers"][0];
    for probe in ["startupProbe", "livenessProbe", "readinessProbe"] {
        let asked = &container[probe]["httpGet"];
        let scheme = asked["scheme"].as_str().unwrap_or("HTTP");
        assert_eq!(asked["port"], "admin", "{probe}");
        assert_eq!(scheme, if tls { "HTTPS" } else { "HTTP" }, "{probe}");
    }
}

#[test]
fn every_rule_of_the_network_policy_names_who_may_connect() {
    let policy = serde_saphyr::from_str::<serde_json::Value>(&read("deploy/kubernetes/networkpolicy.yaml"));
    let policy = policy.expect("YAML");
    let rules = policy["spec"]["ingress"].as_array().expect("rules");
    let port = |rule: &serde_json::Value| rule["ports"][0]["port"].as_str().unwrap_or_default().to_owned();
    assert_eq!(rules.iter().map(port).collect::<Vec<_>>(), ["grpc", "admin"]);
    let peers = |rule: &serde_json::Value| rule["from"].as_array().is_some_and(|from| !from.is_empty());
    assert!(rules.iter().all(peers), "a rule without peers admits every pod: {policy}");
}

#[test]
fn shipped_settings_have_known_names_alone() {
    let folder = Folder::new("deploy-settings");
    for file in ["deploy/kubernetes/latchkey.toml", "deploy/systemd/latchkey.toml"] {
        let message = text(&latchkey(&folder, &["doctor", "--config", file, "--output", "json"]));
        assert!(
            message.contains("findings") && !message.contains("there is no such setting"),
            "{file}: {message}"
        );
    }
}

#[test]
fn the_unit_lets_threads_lower_their_priority() {
    let unit = read("deploy/systemd/latchkey.service");
    let filters: Vec<&str> = unit.lines().filter_map(|line| line.strip_prefix("SystemCallFilter=")).collect();
    // `@resources` has the call, and a later line wins.
    assert_eq!(filters, ["@system-service", "~@privileged @resources", "setpriority"]);
}

#[test]
fn systemd_takes_the_unit() {
    let (folder, unit) = (Folder::new("deploy-unit"), root().join("deploy/systemd/latchkey.service"));
    let unit = std::fs::read_to_string(unit).expect("the unit");
    let unit = replace_once(&unit, "/usr/local/bin/latchkey", &program().display().to_string());
    let unit = folder.write("latchkey.service", &unit);
    let output = Command::new(tool("systemd-analyze")).args(["verify", "--man=no"]).arg(unit).output();
    let message = text(&output.expect("systemd-analyze starts"));
    // Messages about units of the machine itself may be there too.
    let ours: Vec<&str> = message.lines().filter(|line| line.contains("latchkey.service")).collect();
    assert!(ours.is_empty(), "{ours:?}");
}

#[test]
fn no_shipped_file_has_a_secret_or_lets_requests_pass_without_a_check() {
    let folders = ["kubernetes", "envoy", "envoy-gateway", "istio", "systemd"];
    let all = folders.iter().flat_map(|folder| files(&format!("deploy/{folder}")));
    for file in all {
        let text = std::fs::read_to_string(&file).expect("a file that ships");
        for bad in ["PRIVATE KEY", "failOpen: true", "failure_mode_allow: true", "insecure = true"] {
            assert!(!text.contains(bad), "{} says {bad}", file.display());
        }
        // Other files may have a reference to a secret, but no secret.
        let mut secrets = text.lines().filter(|line| line.contains("kind: Secret"));
        assert!(secrets.all(|line| line.contains("Ref: {")), "{} has a secret", file.display());
    }
}
