//! Dependencies between the crates.

use cargo_metadata::{Dependency, DependencyKind, Package};

use super::METADATA;

/// Rules of the workspace: a crate, the workspace crates that it may use, and texts that the name of no library that it
/// uses may contain.
const RULES: [(&str, &[&str], &[&str]); 17] = [
    ("latchkey-proto", &[], &["sea-orm", "sqlx", "redis", "axum"]),
    ("latchkey-core", &[], &["tonic", "prost", "tokio", "hyper", "axum", "sea-", "sqlx", "redis", "toml"]),
    ("latchkey-migrations", &[], &["tonic", "prost", "redis", "axum"]),
    (
        "latchkey-management",
        &["latchkey-core"],
        &["tonic", "prost", "tokio", "hyper", "axum", "sea-", "sqlx", "redis", "toml"],
    ),
    (
        "latchkey-profile",
        &["latchkey-core"],
        &["tonic", "prost", "tokio", "hyper", "axum", "sea-", "sqlx", "redis"],
    ),
    (
        "latchkey-store",
        &["latchkey-core", "latchkey-management"],
        &["tonic", "prost", "hyper", "axum", "redis", "toml"],
    ),
    ("latchkey-redis", &["latchkey-core"], &["tonic", "prost", "hyper", "axum", "sea-", "sqlx", "toml"]),
    (
        "latchkey-grpc",
        &["latchkey-proto", "latchkey-core", "latchkey-management", "latchkey-profile"],
        &["sea-", "sqlx", "redis", "axum", "toml", "tracing-subscriber"],
    ),
    (
        "latchkey-http",
        &["latchkey-proto", "latchkey-core", "latchkey-profile"],
        &["sea-", "sqlx", "redis", "axum", "hyper", "toml", "tracing-subscriber"],
    ),
    (
        "latchkey-config",
        &["latchkey-core"],
        &["tonic", "prost", "tokio", "hyper", "axum", "sea-", "sqlx", "redis", "rustls"],
    ),
    (
        "latchkey-telemetry",
        &["latchkey-config", "latchkey-core"],
        &["axum", "sea-", "sqlx", "redis", "toml", "tokio-rustls"],
    ),
    (
        "latchkey-transport",
        &["latchkey-core"],
        &["tonic", "prost", "axum", "sea-", "sqlx", "redis", "toml", "tracing-subscriber"],
    ),
    (
        "latchkey-server",
        &[
            "latchkey-proto",
            "latchkey-config",
            "latchkey-core",
            "latchkey-management",
            "latchkey-profile",
            "latchkey-grpc",
            "latchkey-http",
            "latchkey-store",
            "latchkey-redis",
            "latchkey-telemetry",
            "latchkey-transport",
            "latchkey-migrations",
        ],
        &[],
    ),
    (
        "latchkey-client",
        &["latchkey-proto"],
        &["hyper", "sea-", "sqlx", "redis", "toml", "tracing-subscriber"],
    ),
    (
        "latchkey-cli",
        &["latchkey-server", "latchkey-config", "latchkey-client", "latchkey-proto"],
        &["sea-", "sqlx", "redis"],
    ),
    ("latchkey-testing", &["latchkey-proto"], &["sea-", "sqlx"]),
    ("latchkey-revocation-model", &[], &["tonic", "prost", "tokio", "sea-", "sqlx", "redis"]),
];

/// Packages of benchmarks and tests: they may use every crate, and no crate uses them.
const TEST_PACKAGES: [&str; 4] =
    ["latchkey-testing", "latchkey-revocation-model", "latchkey-bench-gate", "latchkey-bench-wire"];

fn uses(package: &Package, kind: DependencyKind) -> impl Iterator<Item = &str> {
    package.dependencies.iter().filter(move |one| one.kind == kind).map(|one| one.name.as_str())
}

#[test]
fn every_crate_uses_only_those_below_it() {
    for package in METADATA.workspace_packages() {
        let name = package.name.as_str();
        if name.starts_with("latchkey-bench") {
            continue;
        }
        let row = RULES.iter().find(|(krate, _, _)| *krate == name);
        let (_, may_use, never) = row.unwrap_or_else(|| panic!("{name} is not in the table of rules"));
        for used in uses(package, DependencyKind::Normal) {
            let forbidden = used.starts_with("latchkey-") && !may_use.contains(&used);
            assert!(!forbidden, "{name} must not use {used}");
            assert!(!never.iter().any(|word| used.contains(word)), "{name} must not use {used}");
        }
    }
}

#[test]
fn test_packages_are_used_by_tests_alone() {
    for package in METADATA.workspace_packages() {
        for kind in [DependencyKind::Normal, DependencyKind::Build] {
            for used in uses(package, kind) {
                assert!(!TEST_PACKAGES.contains(&used), "{} is built with {used}", package.name);
            }
        }
    }
}

#[test]
fn every_version_is_declared_once() {
    for package in METADATA.workspace_packages() {
        let manifest = std::fs::read_to_string(&package.manifest_path).expect("a manifest can be read");
        let own = manifest.split("\n[").filter(|table| {
            let heading = table.split(']').next().unwrap_or_default();
            heading.ends_with("dependencies") && !heading.starts_with("workspace.")
        });
        for line in own.flat_map(str::lines).skip(1).filter(|line| line.contains('=')) {
            let inherited = line.contains("workspace = true") || line.contains(".workspace=true");
            assert!(inherited, "{}: {line}", package.name);
        }
    }
}

#[test]
fn the_client_library_asks_axum_for_one_type_alone() {
    let packages = METADATA.workspace_packages();
    let client =
        packages.iter().find(|package| package.name.as_str() == "latchkey-client").expect("the client");
    let axum = |one: &&Dependency| one.kind == DependencyKind::Normal && one.name == "axum";
    let axum = client.dependencies.iter().find(axum).expect("the client uses axum");
    // A service with an older or newer axum, or with none, gets no more of this one than `OriginalUri`.
    assert!(!axum.uses_default_features && axum.features == ["original-uri"], "{:?}", axum.features);
}

#[test]
fn every_package_inherits_the_lints_of_the_workspace() {
    for package in METADATA.workspace_packages() {
        let manifest = std::fs::read_to_string(&package.manifest_path).expect("a manifest can be read");
        assert!(manifest.contains("[lints]\nworkspace = true"), "{} has lints of its own", package.name);
    }
}
