//! What is said of TLS must be whole: half a pair, or names of certificates that nobody is asked for, is an error.

use std::fs;

use super::tests::{load, sources};
use super::*;
use crate::tls::fixture::{Ca, write};

#[test]
fn halves_that_make_no_sense_alone_are_told() {
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
fn files_are_looked_into_before_anything_starts() {
    let variables = [("LATCHKEY_TLS_CERT", "/nowhere/c.pem"), ("LATCHKEY_TLS_KEY", "/nowhere/k.pem")];
    let error = load(&[("lease", "soon")], &variables).unwrap_err();
    assert_eq!(error.0.len(), 3, "{error}");
    assert!(error.to_string().contains("tls_cert (/nowhere/c.pem): the file can't be read"), "{error}");
}

#[test]
fn a_certificate_makes_other_machines_welcome_and_its_clients_may_be_operators() {
    let (folder, ca) = (tempfile::tempdir().unwrap(), Ca::new());
    let (cert, key) = ca.issue(&["localhost"], false);
    let place = |name: &str, text: &str| write(folder.path(), name, text).display().to_string();
    let list = place("list.pem", &ca.list(&[], (2020, 4000)).pem().unwrap());
    let (cert, key, ca) = (place("c.pem", &cert), place("k.pem", &key), place("ca.pem", &ca.pem));
    let flags = [("tls_cert", cert.as_str()), ("tls_key", &key), ("grpc_addr", "0.0.0.0:1")];
    let settings = load(&flags, &[("LATCHKEY_MANAGEMENT_ADDR", "0.0.0.0:2")]).unwrap();
    assert!(settings.tls.unwrap().client_ca.is_none());
    assert_eq!(settings.listen.management.map(|a| a.port()), Some(2));

    let path = folder.path().join("latchkey.toml");
    fs::write(&path, "[operators]\n\"spiffe://corp/ops\" = { scopes = [\"latchkey.admin\"] }\n").unwrap();
    let error = Settings::load(&sources(Some(&path), &flags, &[])).unwrap_err().to_string();
    assert!(error.contains("operators (") && error.contains("give tls_client_ca"), "{error}");
    let variables = [("LATCHKEY_TLS_CLIENT_CA", ca.as_str())];
    let settings = Settings::load(&sources(Some(&path), &flags, &variables)).unwrap();
    assert_eq!(settings.operators.len(), 1);
    assert_eq!(settings.tls.unwrap().management_client_ca.unwrap().display().to_string(), ca);

    let variables = [("LATCHKEY_TLS_CLIENT_CA", ca.as_str()), ("LATCHKEY_TLS_CLIENT_CRL", &list)];
    let tls = Settings::load(&sources(Some(&path), &flags, &variables)).unwrap().tls.unwrap();
    assert_eq!(tls.management_client_crl.unwrap().display().to_string(), list, "both ports read it");
}

#[test]
fn management_alone_needs_the_same_care() {
    let error = load(&[("management_addr", "0.0.0.0:1")], &[]).unwrap_err().to_string();
    assert!(error.contains("management_addr (") && error.contains("--insecure"), "{error}");
}
