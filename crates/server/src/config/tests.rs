//! Settings of TLS and of Redis, with the checks of the parts that use them: half a pair, or names of certificates
//! that no client is asked for, is an error.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::path::Path;

use latchkey_testing::{Ca, Pair};

use super::*;

fn sources(config: Option<&Path>, flags: &[(&str, &str)], variables: &[(&str, &str)]) -> ConfigSources {
    let flags: BTreeMap<String, String> = flags.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect();
    let variables = variables.iter().map(|(k, v)| (OsString::from(k), OsString::from(v)));
    ConfigSources::new(config, flags, variables)
}

fn load(flags: &[(&str, &str)], variables: &[(&str, &str)]) -> Result<Settings, ConfigErrors> {
    super::load(&sources(None, flags, variables))
}

#[test]
fn a_database_url_is_checked_with_all_other_settings() {
    let variables = [
        ("LATCHKEY_DATABASE_URL", "postgres://ada:secret@db/latchkey?sslmode=always"),
        ("LATCHKEY_CACHE_LEASE", "soon"),
    ];
    let all = load(&[], &variables).unwrap_err().to_string();
    let of_database = load_database(&sources(None, &[], &variables[..1])).unwrap_err().to_string();
    for error in [&all, &of_database] {
        assert!(
            error.contains("database_url (") && error.contains("sslmode must be disable, prefer"),
            "{error}"
        );
        assert!(!error.contains("secret"), "{error}");
    }
    assert!(all.contains("cache_lease ("), "{all}");
}

#[test]
fn settings_that_need_another_one_are_rejected_without_it() {
    for (given, other) in [
        ("LATCHKEY_TLS_CERT", "tls_key"),
        ("LATCHKEY_TLS_KEY", "tls_cert"),
        ("LATCHKEY_TLS_CLIENT_CA", "tls_cert"),
        ("LATCHKEY_MANAGEMENT_TLS_CLIENT_CA", "tls_cert"),
        ("LATCHKEY_MANAGEMENT_TLS_CLIENT_CA", "management_addr"),
        ("LATCHKEY_TLS_CLIENT_CRL", "tls_client_ca"),
        ("LATCHKEY_MANAGEMENT_TLS_CLIENT_CRL", "management_tls_client_ca"),
        ("LATCHKEY_MANAGEMENT_TLS_CLIENT_CRL", "management_addr"),
    ] {
        let error = load(&[], &[(given, "/nowhere.pem")]).unwrap_err().to_string();
        assert!(error.contains(&format!("give {other} as well")), "{error}");
    }
    let error = load(&[], &[("LATCHKEY_HTTP_TLS", "true")]).unwrap_err().to_string();
    assert!(error.contains("http_tls (") && error.contains("give tls_cert"), "{error}");
}

#[test]
fn files_are_read_before_the_start() {
    let variables = [("LATCHKEY_TLS_CERT", "/nowhere/c.pem"), ("LATCHKEY_TLS_KEY", "/nowhere/k.pem")];
    let error = load(&[("cache_lease", "soon")], &variables).unwrap_err();
    assert_eq!(error.0.len(), 3, "{error}");
    assert!(error.to_string().contains("tls_cert (/nowhere/c.pem): the file can't be read"), "{error}");
}

#[test]
fn a_certificate_permits_addresses_for_other_machines_and_operators_by_certificate() {
    let (folder, ca) = (tempfile::tempdir().unwrap(), Ca::new());
    let Pair { cert, key, .. } = ca.issue(&["localhost"]);
    let place = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let list = place("list.pem", &ca.crl(&[]));
    let (cert, key, ca) = (place("c.pem", &cert), place("k.pem", &key), place("ca.pem", ca.pem()));
    let flags = [("tls_cert", cert.as_str()), ("tls_key", &key), ("grpc_addr", "0.0.0.0:1")];
    let settings = load(&flags, &[("LATCHKEY_MANAGEMENT_ADDR", "0.0.0.0:2")]).unwrap();
    assert!(settings.tls.unwrap().client_ca.is_none());
    assert_eq!(settings.listen.management.map(|a| a.to_string()), Some("0.0.0.0:2".to_owned()));

    let path = folder.path().join("latchkey.toml");
    fs::write(&path, "[operators]\n\"spiffe://corp/ops\" = { scopes = [\"latchkey.admin\"] }\n").unwrap();
    let error = super::load(&sources(Some(&path), &flags, &[])).unwrap_err().to_string();
    assert!(error.contains("operators (") && error.contains("give tls_client_ca"), "{error}");
    let variables = [("LATCHKEY_TLS_CLIENT_CA", ca.as_str())];
    let settings = super::load(&sources(Some(&path), &flags, &variables)).unwrap();
    assert_eq!(settings.operators.len(), 1);
    assert_eq!(settings.tls.unwrap().management_client_ca.unwrap().display().to_string(), ca);

    let variables = [("LATCHKEY_TLS_CLIENT_CA", ca.as_str()), ("LATCHKEY_TLS_CLIENT_CRL", &list)];
    let tls = super::load(&sources(Some(&path), &flags, &variables)).unwrap().tls.unwrap();
    assert_eq!(tls.management_client_crl.unwrap().display().to_string(), list, "it applies to both ports");
}

#[test]
fn management_alone_needs_the_same_care() {
    let error = load(&[("management_addr", "0.0.0.0:1")], &[]).unwrap_err().to_string();
    assert!(error.contains("management_addr (") && error.contains("--insecure"), "{error}");
}

#[test]
fn redis_is_one_server_or_a_cluster_and_its_password_is_not_shown() {
    let load = |given: &[(&str, &str)]| load(&[], given);
    let url = |url| [("LATCHKEY_REDIS_URL", url)];
    let cluster = load(&url("rediss+cluster://:canary@a:7000,b:7000")).unwrap();
    assert!(redis(cluster.redis.as_ref().unwrap()).unwrap().is_cluster());
    assert!(!format!("{cluster:?}").contains("canary"));
    let error = load(&url("rediss//:canary@r")).unwrap_err().to_string();
    assert!(error.contains("redis_url (LATCHKEY_REDIS_URL)") && !error.contains("canary"), "{error}");
    let ca = |url, ca| load(&[("LATCHKEY_REDIS_URL", url), ("LATCHKEY_REDIS_CA", ca)]);
    for (url, file, words) in [
        ("rediss://r", "/nowhere", "can't be read"),
        ("rediss://r", concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"), "no readable certificate"),
        ("redis://r", concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"), "does not use TLS"),
        ("", concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"), "needs a redis_url"),
    ] {
        let error = ca(url, file).unwrap_err();
        assert_eq!(error.0.len(), 1, "{error}");
        assert!(error.to_string().contains("redis_ca") && error.to_string().contains(words), "{error}");
    }
}
