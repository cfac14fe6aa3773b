//! The URL of PostgreSQL: IPv6 addresses, a missing user, and the variables of libpq, on which no connection depends.

use std::net::TcpListener;

use latchkey_testing::{Postgres, Setup};

use crate::program::{printed, run};

#[test]
fn an_ipv6_address_is_connected_to() {
    // There are machines without IPv6.
    let Ok(listener) = TcpListener::bind("[::1]:0") else { return };
    let port = listener.local_addr().expect("an address").port();
    let called = std::thread::spawn(move || listener.accept().map(drop));
    let output = run(&["migrate", "status"], &format!("postgres://lk@[::1]:{port}/x"), &[]);
    let text = printed(&output);
    assert!(!output.status.success() && !text.contains("lookup address"), "{text}");
    called.join().expect("it ends").expect("the listener was called");
}

#[test]
fn a_url_without_a_user_is_refused_with_the_form_that_has_one() {
    for url in ["postgres://127.0.0.1:1/x", "postgres:///x?host=/nowhere"] {
        let output = run(&["migrate", "status"], url, &[("PGUSER", "ada")]);
        let text = printed(&output);
        assert_eq!(output.status.code(), Some(2), "{text}");
        assert!(text.contains("give the user, as in postgres://USER@HOST/NAME"), "{text}");
    }
}

#[test]
fn variables_of_libpq_change_no_connection_and_are_named() {
    let url = Postgres::shared().database();
    let misleading = [
        ("PGHOST", "192.0.2.1"),
        ("PGPORT", "1"),
        ("PGUSER", "another"),
        ("PGPASSWORD", "canary"),
        ("PGDATABASE", "absent"),
        ("PGSSLMODE", "verify-full"),
        ("PGSSLROOTCERT", "/nowhere/ca.pem"),
        ("PGAPPNAME", "another"),
    ];
    let output = run(&["migrate", "up"], &url, &misleading);
    let text = printed(&output);
    let named = text
        .lines()
        .any(|line| line.starts_with("the schema of postgres") && line.ends_with(" is up to date"));
    assert!(output.status.success() && named, "{text}");
    let doctor = printed(&run(&["doctor"], &url, &misleading));
    let setup = Setup::default().database(&url);
    let setup = misleading.iter().fold(setup, |setup, (name, value)| setup.environment(name, value));
    let latchkey = setup.start();
    latchkey.wait_for_log("connections depend on database_url alone");
    let log = latchkey.log();
    for text in [doctor, log] {
        for (name, _) in misleading {
            assert!(text.contains(name), "{name}: {text}");
        }
        assert!(text.contains("connections depend on database_url alone"), "{text}");
        assert!(!text.contains("canary"), "{text}");
    }
}

#[test]
fn variables_of_libpq_that_would_change_connections_are_refused() {
    let url = Postgres::shared().database();
    for (name, parameter) in [("PGOPTIONS", "options"), ("PGSSLCERT", "sslcert"), ("PGSSLKEY", "sslkey")] {
        let output = run(&["migrate", "status"], &url, &[(name, "/nowhere")]);
        let text = printed(&output);
        assert_eq!(output.status.code(), Some(2), "{text}");
        assert!(text.contains(name) && text.contains(&format!("?{parameter}=")), "{text}");
    }
}
