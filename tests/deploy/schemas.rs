//! The resources for Istio, validated by that project's own definitions (`schemas/` names their source), and the fields
//! of these and of Envoy Gateway's resources that decide whether an outage lets a request pass.

use std::path::PathBuf;
use std::process::{Command, Output};

use latchkey_testing::{Folder, replace_once};
use serde_json::Value;

use crate::{files, read, root, text};

/// Validation of these files by their schemas.
pub(crate) fn validate_files(files: &[PathBuf]) -> Output {
    let python = root().join(".tools/kubernetes");
    assert!(python.join("jsonschema").is_dir(), "jsonschema is missing: run scripts/setup");
    let here = root().join("tests/deploy");
    let mut command = Command::new("python3");
    command.arg(here.join("check.py")).arg(here.join("schemas")).args(files).env("PYTHONPATH", python);
    command.output().expect("python3 starts")
}

#[test]
fn istio_knows_every_field_of_its_resources() {
    let resources = files("deploy/istio");
    assert!(resources.len() >= 2, "{resources:?}");
    let output = validate_files(&resources);
    assert!(output.status.success(), "{}", text(&output));
}

#[test]
fn a_wrong_resource_is_refused() {
    let folder = Folder::new("deploy-schemas");
    let mesh = read("deploy/istio/meshconfig.yaml");
    let rules = read("deploy/istio/authorizationpolicy.yaml");
    for (whole, right, wrong) in [
        (&mesh, "timeout: 0.2s", "timeout: 200ms"),
        (&mesh, "statusOnError: \"503\"", "statusOnError: 503"),
        (&mesh, "failOpen:", "failedOpen:"),
        (&mesh, "normalization: MERGE_SLASHES", "normalization: MERGE"),
        (&rules, "action: CUSTOM", "action: ASK"),
        (&rules, "mode: MUTUAL", "mode: BOTH"),
    ] {
        let output = validate_files(&[folder.write("wrong.yaml", &replace_once(whole, right, wrong))]);
        assert_eq!(output.status.code(), Some(1), "{wrong}: {}", text(&output));
    }
}

#[test]
fn an_outage_is_a_503_soon_and_never_an_admission() {
    let policy = read("deploy/envoy-gateway/securitypolicy.yaml");
    let policy: Value =
        serde_saphyr::from_str(policy.split("\n---\n").next().expect("a policy")).expect("YAML");
    let asked = &policy["spec"]["extAuth"];
    assert_eq!((&asked["failOpen"], &asked["statusOnError"]), (&false.into(), &503.into()));
    assert_eq!(asked["timeout"], "200ms");
    let mesh: Value = serde_saphyr::from_str(&read("deploy/istio/meshconfig.yaml")).expect("YAML");
    let asked = &mesh["meshConfig"]["extensionProviders"][0]["envoyExtAuthzGrpc"];
    assert_eq!((&asked["failOpen"], &asked["statusOnError"]), (&false.into(), &"503".into()));
    assert_eq!(asked["timeout"], "0.2s");
}

#[test]
fn istio_sends_a_check_for_every_request() {
    let policies = read("deploy/istio/authorizationpolicy.yaml");
    let policy = policies.split("\n---\n").next().expect("a policy");
    let policy: Value = serde_saphyr::from_str(policy).expect("YAML");
    assert_eq!(policy["spec"]["rules"], serde_json::json!([{}]));
}
