//! Error messages of the command line about a port that it cannot call, and of the server's start about its
//! certificates.

use std::process::{Command, Output};

use latchkey_testing::{Ca, ROOT_KEY, eventually, program};

use crate::fixture::Fixture;

/// Runs the command line with these environment variables; its home is the fixture's folder.
fn cli(fixture: &Fixture, server: &str, variables: &[(&str, &str)]) -> (i32, String) {
    let Output { status, stderr, .. } = Command::new(program())
        .env_clear()
        .env("HOME", fixture.folder.path())
        .env("LATCHKEY_API_KEY", ROOT_KEY)
        .envs(variables.iter().copied())
        .args(["--server", server, "tenant", "list"])
        .output()
        .expect("the program starts");
    (status.code().expect("it ends by itself"), String::from_utf8_lossy(&stderr).into_owned())
}

#[test]
fn a_port_that_cannot_be_called_is_described_with_what_to_do() {
    let fixture = Fixture::start(false, |setup, _| setup);
    let (port, http) = (fixture.latchkey.grpc(), fixture.latchkey.http());
    let ca = fixture.path("ca.pem").display().to_string();
    let known = [("LATCHKEY_CA_FILE", ca.as_str())];
    assert_eq!(cli(&fixture, &format!("https://127.0.0.1:{port}"), &known).0, 0);
    for (server, variables, words) in [
        (
            format!("http://127.0.0.1:{port}"),
            &[][..],
            &["speaks TLS", "--server https://127.0.0.1", "--ca-file"][..],
        ),
        (format!("https://127.0.0.1:{port}"), &[], &["UnknownIssuer", "--ca-file"]),
        (format!("http://127.0.0.1:{http}"), &[], &["HTTP/1.1", "grpc_addr"]),
        ("https://127.0.0.1:1".to_owned(), &[], &["refused", "latchkey serve"]),
        (format!("https://127.0.0.2:{port}"), &known, &["refused", "latchkey serve"]),
        (format!("http://{}:1", "a".repeat(64)), &[], &["host name"]),
    ] {
        let (code, error) = cli(&fixture, &server, variables);
        assert_eq!(code, 6, "{server}: {error}");
        assert!(words.iter().all(|word| error.contains(word)), "{server}: {error}");
        assert!(!error.contains("transport error"), "{server}: {error}");
    }
}

#[test]
fn a_server_that_asks_for_a_certificate_says_so() {
    let fixture = Fixture::mutual();
    let ca = fixture.path("ca.pem").display().to_string();
    let server = format!("https://localhost:{}", fixture.latchkey.grpc());
    let (code, error) = cli(&fixture, &server, &[("LATCHKEY_CA_FILE", &ca)]);
    assert!(code == 6 && error.contains("--cert-file"), "{error}");
}

#[test]
fn a_certificate_that_gives_no_rights_is_described_with_what_to_do() {
    for (mutual, expected) in [(true, "belongs to no operator"), (false, "did not receive")] {
        let fixture = Fixture::start(mutual, |setup, _| setup);
        let pair = fixture.clients.issue(&["spiffe://corp.example/desk"]);
        let file = |name: &str, text: &str| fixture.folder.write(name, text).display().to_string();
        let (cert, key) = (file("client.pem", &pair.cert), file("client-key.pem", &pair.key));
        let ca = fixture.path("ca.pem").display().to_string();
        let server = format!("https://localhost:{}", fixture.latchkey.grpc());
        let variables = [
            ("LATCHKEY_API_KEY", ""),
            ("LATCHKEY_CA_FILE", ca.as_str()),
            ("LATCHKEY_CERT_FILE", cert.as_str()),
            ("LATCHKEY_CERT_KEY_FILE", key.as_str()),
        ];
        let (code, error) = cli(&fixture, &server, &variables);
        assert!(code == 4 && error.contains(expected), "{error}");
        assert!(error.contains("--key-file") && !error.contains("Bearer"), "{error}");
    }
}

#[test]
fn the_start_doctor_and_a_metric_report_an_expired_certificate_and_a_key_that_others_can_read() {
    use std::fs::{Permissions, set_permissions};
    use std::os::unix::fs::PermissionsExt as _;
    let fixture = Fixture::start(true, |setup, folder| {
        let pair = Ca::new().expired(&["localhost"]);
        let key = folder.write("old-key.pem", &pair.key);
        set_permissions(&key, Permissions::from_mode(0o644)).expect("the mode can be set");
        let cert = folder.write("old-cert.pem", &pair.cert);
        setup
            .environment("LATCHKEY_TLS_CERT", &cert.display().to_string())
            .environment("LATCHKEY_TLS_KEY", &key.display().to_string())
    });
    let words = [
        ("old-cert.pem): the certificate", "expired at 2001-01-01T00:00:00Z"),
        ("old-key.pem): every user of this machine can read it", "mode 0644"),
    ];
    let log = eventually("the start tells", || {
        let log = fixture.latchkey.log();
        words.iter().all(|(one, other)| log.contains(one) && log.contains(other)).then_some(log)
    });
    assert!(log.contains("chmod o-rwx"), "{log}");
    for line in ["latchkey_findings{check=\"certificates\"} 1", "latchkey_findings{check=\"secret_files\"} 1"]
    {
        eventually(line, || fixture.latchkey.page("/metrics").body.contains(line).then_some(()));
    }
    let page = fixture.latchkey.page("/metrics").body;
    assert!(page.contains("latchkey_client_ca_expiry_timestamp_seconds"), "{page}");
    let path = |name: &str| fixture.path(name).display().to_string();
    let output = Command::new(program())
        .env_clear()
        .current_dir(fixture.folder.path())
        .args(["doctor", "--tls-cert", &path("old-cert.pem"), "--tls-key", &path("old-key.pem")])
        .output()
        .expect("the program starts");
    let found = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(2), "{found}");
    assert!(words.iter().all(|(one, other)| found.contains(one) && found.contains(other)), "{found}");
}
