//! Tests of precedence, of errors that are reported together, and of secrets that are never shown.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::path::Path;

use super::*;

pub(super) fn sources(
    config: Option<&Path>,
    flags: &[(&str, &str)],
    variables: &[(&str, &str)],
) -> ConfigSources {
    let flags: BTreeMap<String, String> = flags.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect();
    let variables = variables.iter().map(|(k, v)| (OsString::from(k), OsString::from(v)));
    ConfigSources::new(config, flags, variables)
}

pub(super) fn load(flags: &[(&str, &str)], variables: &[(&str, &str)]) -> Result<Settings, ConfigErrors> {
    Settings::load(&sources(None, flags, variables), &NoChecks)
}

/// Checks that find no error. The real checks are tested in the composition root.
struct NoChecks;

impl SettingChecks for NoChecks {
    fn database_url(&self, _: &DatabaseUrl) -> Result<(), String> {
        Ok(())
    }

    fn redis(&self, _: &Redis) -> Result<(), String> {
        Ok(())
    }

    fn tls(&self, _: &TlsSettings) -> Vec<ConfigError> {
        Vec::new()
    }
}

#[test]
fn the_defaults_serve_the_embedded_database_on_loopback() {
    let settings = load(&[], &[]).unwrap();
    assert_eq!(settings.listen.grpc.to_string(), "127.0.0.1:50051");
    assert_eq!(settings.listen.http.to_string(), "127.0.0.1:8081");
    assert!(settings.database.migrate && matches!(settings.root_key, RootKey::Print | RootKey::WriteTo(_)));
    assert!(matches!(settings.master_key, MasterKey::File(path) if path.ends_with("latchkey.db.master-key")));
}

#[test]
fn a_flag_wins_over_the_environment_and_that_over_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("latchkey.toml");
    fs::write(&path, "cache_lease = '1s'\nfeed_poll_interval = '11ms'\ndatabase_connections = 3\n").unwrap();
    let variables = [("LATCHKEY_CACHE_LEASE", "2s"), ("LATCHKEY_FEED_POLL_INTERVAL", "12ms")];
    let settings =
        Settings::load(&sources(Some(&path), &[("cache_lease", "3s")], &variables), &NoChecks).unwrap();
    assert_eq!(settings.follower.lease, Duration::from_secs(3));
    assert_eq!(settings.follower.feed_poll_interval, Duration::from_millis(12));
    assert_eq!(settings.database.connections, 3);
}

#[test]
fn the_environment_can_name_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("latchkey.toml");
    fs::write(&path, "cache_lease = '7s'\n").unwrap();
    let settings = load(&[], &[(CONFIG_VARIABLE, path.to_str().unwrap())]).unwrap();
    assert_eq!(settings.follower.lease, Duration::from_secs(7));
}

#[test]
fn all_errors_are_reported_together_with_place_and_remedy() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("latchkey.toml");
    fs::write(&path, "grcp_addr = '127.0.0.1:1'\nlog_format = 'xml'\nmigrate = 1.5\n").unwrap();
    let flags = [("cache_lease", "soon"), ("grpc_addr", "0.0.0.0:50051")];
    let variables = [("LATCHKEY_HTTP_ADDR", "here"), ("LATCHKEY_ROOT_KEY", "short"), ("RUST_LOG", "a=b=c")];
    let error = Settings::load(&sources(Some(&path), &flags, &variables), &NoChecks).unwrap_err();
    let text = error.to_string();
    for expected in [
        "grcp_addr (",
        "log_format (log_format in ",
        "migrate (",
        "cache_lease (--cache-lease)",
        "grpc_addr (--grpc-addr)",
        "http_addr (LATCHKEY_HTTP_ADDR)",
        "root_key (LATCHKEY_ROOT_KEY)",
        "log (RUST_LOG)",
    ] {
        assert!(text.contains(expected), "{expected} in {text}");
    }
    assert_eq!(error.0.len(), 8, "{text}");
    assert!(text.contains("--insecure") && !text.contains("short"), "{text}");
}

#[test]
fn secrets_can_be_files_and_never_show() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    fs::write(path("root"), "canary-canary-canary-canary-canary\n").unwrap();
    fs::write(path("url"), "postgres://ada:canary@db/latchkey\n").unwrap();
    fs::write(path("master"), "Y2FuYXJ5Y2FuYXJ5Y2FuYXJ5Y2FuYXJ5Y2FuYXJ5Y2E=\n").unwrap();
    let (root, url, master) = (path("root"), path("url"), path("master"));
    let variables = [
        ("LATCHKEY_ROOT_KEY_FILE", root.as_str()),
        ("LATCHKEY_DATABASE_URL_FILE", &url),
        ("LATCHKEY_MASTER_KEY_FILE", &master),
    ];
    let settings = load(&[], &variables).unwrap();
    let RootKey::Given(root_key) = &settings.root_key else { panic!("{:?}", settings.root_key) };
    assert_eq!(root_key.reveal(), "canary-canary-canary-canary-canary");
    assert!(!settings.database.migrate, "PostgreSQL is migrated only on request");
    let shown = format!("{settings:?}");
    assert!(!shown.contains("canary") && !shown.contains("Y2Fu"), "{shown}");
}

#[test]
fn a_secret_and_its_file_at_one_place_contradict_each_other() {
    let key = "0123456789abcdef0123456789abcdef";
    let both = [("LATCHKEY_ROOT_KEY", key), ("LATCHKEY_ROOT_KEY_FILE", "/nowhere")];
    let error = load(&[], &both).unwrap_err().to_string();
    assert!(error.contains("LATCHKEY_ROOT_KEY_FILE is given as well") && !error.contains(key), "{error}");
    let higher = load(&[("root_key", key)], &[("LATCHKEY_ROOT_KEY_FILE", "/nowhere")]);
    assert!(higher.is_ok(), "a higher place wins before the lower one is read");
}

#[test]
fn postgresql_needs_a_master_key() {
    let url = [("LATCHKEY_DATABASE_URL", "postgres://ada:canary@db/latchkey")];
    let error = load(&[], &url).unwrap_err().to_string();
    assert!(error.contains("master_key (not given)") && error.contains("openssl"), "{error}");
    assert!(!error.contains("canary"), "{error}");
}

#[test]
fn a_standard_variable_is_read_as_well() {
    let otlp = load(&[], &[("OTEL_EXPORTER_OTLP_ENDPOINT", "http://otlp:4317")]).unwrap();
    assert!(otlp.otlp.is_some_and(|otlp| otlp.traces.is_some()));
}

#[test]
fn other_machines_are_served_in_plain_text_on_purpose_alone() {
    assert!(load(&[("grpc_addr", "0.0.0.0:1")], &[]).is_err());
    assert!(load(&[("grpc_addr", "0.0.0.0:1"), ("insecure", "true")], &[]).is_ok());
    let http = load(&[("http_addr", "0.0.0.0:2")], &[]).unwrap_err().to_string();
    assert!(http.contains("http_addr (--http-addr)") && http.contains("http_tls"), "{http}");
    assert!(load(&[("http_addr", "0.0.0.0:2"), ("insecure", "true")], &[]).is_ok());
    let files = [("tls_cert", "cert.pem"), ("tls_key", "key.pem"), ("http_addr", "0.0.0.0:2")];
    assert!(load(&files, &[]).is_err(), "the certificate is for gRPC alone");
    assert!(load(&files, &[("LATCHKEY_HTTP_TLS", "true")]).is_ok());
    assert!(load(&[("admin_addr", "0.0.0.0:3")], &[]).is_ok(), "probes and metrics hold no secrets");
}

#[test]
fn two_ports_at_one_address_are_reported_before_either_is_bound() {
    let http = [("LATCHKEY_HTTP_ADDR", "127.0.0.1:7000")];
    let error = load(&[("grpc_addr", "127.0.0.1:7000")], &http).unwrap_err();
    assert_eq!(error.0.len(), 1, "{error}");
    assert!(
        error.to_string().contains("http_addr (LATCHKEY_HTTP_ADDR): grpc_addr has the same address"),
        "{error}"
    );
    let flags = [("grpc_addr", "0.0.0.0:7000"), ("insecure", "true"), ("management_addr", "127.0.0.1:7000")];
    assert!(load(&flags, &http).unwrap_err().0.len() == 2, "0.0.0.0 includes 127.0.0.1");
    for other in ["127.0.0.1:7001", "127.0.0.2:7000", "[::1]:7000"] {
        assert!(load(&[("grpc_addr", other)], &http).is_ok(), "{other}");
    }
    let free = [("LATCHKEY_HTTP_ADDR", "127.0.0.1:0")];
    assert!(load(&[("grpc_addr", "127.0.0.1:0")], &free).is_ok(), "port 0 is any free port");
}

#[test]
fn a_setting_without_an_effect_is_refused_with_its_origin_and_what_it_needs() {
    let postgres = ("database_url", "postgres://ada@db/latchkey");
    let master_key = ("master_key", "Y2FuYXJ5Y2FuYXJ5Y2FuYXJ5Y2FuYXJ5Y2FuYXJ5Y2E=");
    for (key, value, needed) in [
        ("database_pooler", "session", postgres),
        ("database_pooler", "transaction", postgres),
        ("database_dialect", "compatible", postgres),
        ("force_profiles", "true", ("profiles", env!("CARGO_MANIFEST_DIR"))),
    ] {
        let variable = format!("LATCHKEY_{}", key.to_uppercase());
        let given = [(variable.as_str(), value)];
        let error = load(&[], &given).unwrap_err();
        assert_eq!(error.0.len(), 1, "{error}");
        let text = error.to_string();
        let words =
            [format!("({variable}): "), format!("give {}", needed.0), "remove this setting".to_owned()];
        assert!(words.iter().all(|word| text.contains(word.as_str())), "{text}");
        let accepted = load(&[needed, master_key], &given);
        assert!(accepted.is_ok(), "{key}: {accepted:?}");
    }
    for said in [("database_pooler", "none"), ("database_dialect", "postgres"), ("force_profiles", "false")] {
        assert!(load(&[said], &[]).is_ok(), "{said:?} is what holds");
    }
    for wrong in [("redis_deadline", "soon"), ("replica_name", "a b"), ("decision_log_denied_ratio", "2")] {
        assert_eq!(load(&[wrong], &[]).unwrap_err().0.len(), 1, "{wrong:?} has one error");
    }
}

#[test]
fn a_variable_left_empty_counts_as_not_set() {
    assert!(load(&[], &[("LATCHKEY_REDIS_URL", ""), ("LATCHKEY_ROOT_KEY", "")]).is_ok());
}

#[test]
fn a_broken_file_is_not_quoted() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("latchkey.toml");
    fs::write(&path, "cache_lease = '5s'\nroot_key = 'canary\n").unwrap();
    let error = Settings::load(&sources(Some(&path), &[], &[]), &NoChecks).unwrap_err().to_string();
    assert!(error.contains("line 2") && !error.contains("canary"), "{error}");
    for (value, part) in [
        ("11112222333344445555666677778888", "1111"),
        ("0x11112222333344445555666677778888", "1111"),
        ("canary-canary-canary-canary-canary", "canary"),
        ("1979-13-41canary", "1979"),
        ("\"canary\\q\"", "canary"),
        ("inline", "inline"),
        ("{ canary = 1, canary = 2 }", "canary"),
    ] {
        fs::write(&path, format!("cache_lease = '5s'\nroot_key = {value}\n")).unwrap();
        let error = Settings::load(&sources(Some(&path), &[], &[]), &NoChecks).unwrap_err().to_string();
        assert!(error.contains("line 2 (root_key)") && !error.contains(part), "{error}");
    }
    fs::write(&path, "migrate = true\nmigrate = false\n").unwrap();
    let error = Settings::load(&sources(Some(&path), &[], &[]), &NoChecks).unwrap_err().to_string();
    assert!(error.contains("line 2 (migrate) repeats a key or a table"), "{error}");
}

#[test]
fn a_ratio_may_be_a_float_and_operators_are_a_table() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("latchkey.toml");
    let load = |text: &str| {
        fs::write(&path, text).unwrap();
        Settings::load(&sources(Some(&path), &[], &[]), &NoChecks)
    };
    let text =
        "decision_log = 'stdout'\ndecision_log_denied_ratio = 0.5\ndecision_log_allowed_ratio = 1e-3\n";
    let ratios = load(text).unwrap().decisions;
    assert_eq!((ratios.denied, ratios.allowed), (0.5, 0.001));
    for text in ["operators = 'x'", "[[operators]]\nname = 'x'\n"] {
        let error = load(text).unwrap_err().to_string();
        assert!(error.contains("operators (") && error.contains("write [operators]"), "{error}");
    }
    let error = load("[operator]\n").unwrap_err().to_string();
    assert!(error.contains("the nearest is operators"), "{error}");
}

#[test]
fn an_empty_list_of_check_keys_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys");
    for text in ["", "\n", ",,,\n"] {
        fs::write(&path, text).unwrap();
        let file = [("LATCHKEY_CHECK_KEYS_FILE", path.to_str().unwrap()), ("LATCHKEY_CHECK_AUTH", "key")];
        let error = load(&[], &file).unwrap_err().to_string();
        assert!(error.contains("check_keys (LATCHKEY_CHECK_KEYS_FILE): there is no key in it"), "{error}");
    }
    assert!(load(&[("check_auth", "key"), ("check_keys", ",,")], &[]).is_err());
}

#[test]
fn an_empty_path_of_the_first_key_is_an_error_before_a_key_is_created() {
    let error = load(&[("root_key_file", "")], &[]).unwrap_err().to_string();
    assert!(error.contains("root_key (--root-key-file): the path of the file is empty"), "{error}");
}

#[test]
fn only_settings_with_several_values_are_lists_and_an_empty_value_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("latchkey.toml");
    let of_file = |text: &str| {
        fs::write(&path, text).unwrap();
        Settings::load(&sources(Some(&path), &[], &[]), &NoChecks)
    };
    for line in ["replica_name = ['a', 'b']", "lease = ['5s']", "migrate = []", "check_keys_file = ['/k']"] {
        let error = of_file(line).unwrap_err().to_string();
        assert!(error.contains("it takes one value: write it without brackets"), "{line}: {error}");
    }
    assert!(of_file("log = ['info', 'sqlx=warn']\notel_resource_attributes = ['a=b', 'c=d']").is_ok());
    let empty = ["profiles = ''", "profiles = []", "log = ''", "redis_ca = ''"].map(of_file);
    for found in [load(&[("profiles", "")], &[])].into_iter().chain(empty) {
        let error = found.unwrap_err().to_string();
        assert!(error.contains("it is empty: give a value, or leave the setting out"), "{error}");
    }
}

#[test]
fn a_poll_fits_twice_into_a_lease() {
    assert!(
        load(&[("cache_lease", "400ms")], &[]).unwrap_err().to_string().contains("set a shorter interval")
    );
    assert!(load(&[("cache_lease", "500ms")], &[]).is_ok());
}
