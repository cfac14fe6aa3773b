//! Configurations with mistakes that a real Envoy accepts.

use std::process::Command;

use latchkey_testing::{Envoy, EnvoySetup, Folder, Setup, program, replace_once, tool};

use crate::{doctor, has};

/// Writes an Envoy configuration by `latchkey envoy-config`, with some words replaced; Envoy accepts it too.
fn changed(folder: &Folder, changes: &[(&str, &str)]) -> String {
    let mut command = Command::new(program());
    command.args(["envoy-config", DEMO]);
    let printed = command.output().expect("the program starts").stdout;
    let mut text = String::from_utf8(printed).expect("text");
    for (right, wrong) in changes {
        text = replace_once(&text, right, wrong);
    }
    let file = folder.write("envoy.yaml", &text);
    let taken = Command::new(tool("envoy")).args(["--mode", "validate", "-c"]).arg(&file).output();
    let taken = taken.expect("envoy starts");
    assert!(taken.status.success(), "{}", String::from_utf8_lossy(&taken.stderr));
    file.display().to_string()
}

const DEMO: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/profiles/demo.toml");
/// Warning about a configuration that is compared with no profile.
const NO_PROFILE: &str = "no profile was given: headers, bodies, hosts and endpoints were not compared";

/// Returns the findings in a configuration besides the warning that no profile was given, and the exit code.
fn judge(file: &str) -> (Vec<(String, String, String)>, i32) {
    let (mut found, code) = doctor(&["--envoy-only", "--envoy", file]);
    has(&found, "envoy", "warning", NO_PROFILE);
    found.retain(|(.., what)| what != NO_PROFILE);
    (found, code)
}

/// Filter before ext_authz: a cache, which responds by itself.
const CACHE: &str = r#"http_filters:
                  - name: envoy.filters.http.cache
                    typed_config:
                      "@type": type.googleapis.com/envoy.extensions.filters.http.cache.v3.CacheConfig
                      typed_config:
                        "@type": type.googleapis.com/envoy.extensions.http.cache.simple_http_cache.v3.SimpleHttpCacheConfig
"#;

#[test]
fn a_file_of_envoys_that_fails_open_gives_up_too_soon_forwards_the_credential_or_caches_is_found() {
    let folder = Folder::new("doctor-envoy");
    let mutes = "encode_raw_headers: true\n                      decoder_header_mutation_rules: { disallow_all: true }";
    for (right, wrong, words) in [
        ("failure_mode_allow: false", "failure_mode_allow: true", "failure_mode_allow"),
        ("timeout: 0.2s", "timeout: 0.05s", "Envoy gives up before"),
        ("encode_raw_headers: true", mutes, "from removing the credential"),
        ("http_filters:\n", CACHE, "a cache answers before Latchkey is asked"),
    ] {
        let file = changed(&folder, &[(right, wrong)]);
        let (found, code) = judge(&file);
        has(&found, "envoy", "error", words);
        assert_eq!((found.len(), code), (1, 1), "{found:?}");
    }
    let (found, code) = judge(&changed(&folder, &[]));
    assert!(found.len() == 1 && found[0].1 == "ok" && code == 0, "{found:?}");
}

/// The configuration that `latchkey envoy-config` prints, where each mistake is made in a form that Envoy accepts.
const MISTAKES: [(&str, &str, &str, &str); 11] = [
    ("failure_mode_allow: false", "failureModeAllow: yes", "error", "failure_mode_allow"),
    (
        "status_on_error: { code: ServiceUnavailable }",
        "status_on_error: { code: OK }",
        "error",
        "status_on_error",
    ),
    (
        "failure_mode_allow: false",
        "filter_enabled: { default_value: { numerator: 100 }, runtime_key: gate.on }",
        "warning",
        "the runtime value gate.on",
    ),
    (
        "stat_prefix: front",
        "stat_prefix: front\n                upgrade_configs: [{ upgrade_type: websocket, filters: [{ name: r, typed_config: { \"@type\": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router } }] }]",
        "error",
        "the upgrade to websocket",
    ),
    (
        "stat_prefix: front",
        "stat_prefix: front\n                access_log:\n                  - name: log\n                    typed_config: { \"@type\": type.googleapis.com/envoy.extensions.access_loggers.stream.v3.StdoutAccessLog, log_format: { json_format: { a: { b: \"%REQ(X-Api-Key):9%\" } } } }",
        "error",
        "writes credentials down (x-api-key)",
    ),
    (
        "stat_prefix: front",
        "stat_prefix: front\n                tracing: { custom_tags: [{ tag: k, request_header: { name: X-API-KEY } }] }",
        "error",
        "writes credentials down (x-api-key)",
    ),
    (
        "http_filters:\n",
        "http_filters:\n                  - name: a-cache\n                    typed_config:\n                      \"@type\": type.googleapis.com/xds.type.v3.TypedStruct\n                      type_url: type.googleapis.com/envoy.extensions.filters.http.cache.v3.CacheConfig\n                      value: { typed_config: { \"@type\": type.googleapis.com/envoy.extensions.http.cache.simple_http_cache.v3.SimpleHttpCacheConfig } }\n",
        "error",
        "a cache answers before",
    ),
    (
        "                  - name: envoy.filters.http.router",
        "                  - name: c\n                    typed_config:\n                      \"@type\": type.googleapis.com/envoy.extensions.filters.http.cache.v3.CacheConfig\n                      typed_config: { \"@type\": type.googleapis.com/envoy.extensions.http.cache.simple_http_cache.v3.SimpleHttpCacheConfig }\n                  - name: envoy.filters.http.router",
        "warning",
        "a cache behind",
    ),
    (
        "                  - name: envoy.filters.http.router",
        "                  - name: l\n                    typed_config:\n                      \"@type\": type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua\n                      default_source_code: { inline_string: \"function envoy_on_request(h) end\" }\n                  - name: envoy.filters.http.router",
        "warning",
        "the filter l can change a request",
    ),
    (
        "  virtual_hosts: ",
        "  typed_per_filter_config: { envoy.filters.http.ext_authz: { \"@type\": type.googleapis.com/envoy.config.route.v3.FilterConfig, disabled: true } }\n                  virtual_hosts: ",
        "warning",
        "Latchkey is not asked here",
    ),
    (
        "\"address\":\"127.0.0.1\",\"port_value\":9901",
        "\"address\":\"0.0.0.0\",\"port_value\":9901",
        "warning",
        "admin interface",
    ),
];

#[test]
fn each_mistake_in_a_configuration_that_envoy_accepts_is_found() {
    let folder = Folder::new("doctor-mistakes");
    for (right, wrong, severity, words) in MISTAKES {
        let file = changed(&folder, &[(right, wrong)]);
        let (found, _) = judge(&file);
        has(&found, "envoy", severity, words);
        assert_eq!(found.len(), 1, "{found:?}");
    }
}

#[test]
fn a_profile_is_compared_with_a_configuration_of_envoys_and_with_nothing_else() {
    let folder = Folder::new("doctor-profile");
    let file = changed(&folder, &[]);
    let (found, code) = doctor(&["--envoy-only", "--envoy", &file, "--profile", DEMO]);
    assert!(found.len() == 1 && found[0].1 == "ok" && code == 0, "{found:?}");
    let mut command = Command::new(program());
    command.env_clear().env("HOME", folder.path()).current_dir(folder.path());
    let alone = command.args(["doctor", "--profile", DEMO]).output().expect("the program starts");
    let message = String::from_utf8_lossy(&alone.stderr);
    assert_eq!(alone.status.code(), Some(2), "{message}");
    assert!(message.contains("--envoy is missing"), "{message}");
}

#[test]
fn a_running_envoy_is_asked_by_its_admin_address() {
    let latchkey = Setup::default().shipped("demo").start();
    let setup = EnvoySetup { failure_mode_allow: true, ..EnvoySetup::default() };
    let envoy = Envoy::start(latchkey.grpc(), &setup);
    let (found, code) = doctor(&["--envoy-only", "--envoy", &format!("http://127.0.0.1:{}", envoy.admin())]);
    has(&found, "envoy", "error", "failure_mode_allow");
    has(&found, "envoy", "warning", "timeout 30s");
    assert_eq!(code, 1);
    let hasty =
        Envoy::start(latchkey.grpc(), &EnvoySetup { timeout: "0.05s".to_owned(), ..EnvoySetup::default() });
    let (found, _) = doctor(&["--envoy-only", "--envoy", &format!("http://127.0.0.1:{}", hasty.admin())]);
    has(&found, "envoy", "error", "Envoy gives up before");
    let (found, code) = doctor(&["--envoy-only", "--envoy", "http://127.0.0.1:1"]);
    has(&found, "envoy", "unreachable", "127.0.0.1:1");
    assert_eq!(code, 6);
}
