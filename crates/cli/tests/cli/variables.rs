//! Variables of the environment and addresses that are refused before anything is read or called.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;

use crate::{latchkey, run, text};

#[test]
fn a_variable_that_is_not_utf_8_starts_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let url = OsStr::from_bytes(b"postgres://lk:canary\xe4@h/lk");
    let output = latchkey(folder.path()).arg("serve").env("LATCHKEY_DATABASE_URL", url).output().unwrap();
    let error = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{error}");
    assert!(error.contains("LATCHKEY_DATABASE_URL") && error.contains("UTF-8"), "{error}");
    assert!(!error.contains("canary"), "{error}");
    assert_eq!(folder.path().read_dir().unwrap().count(), 0, "nothing was made");
}

#[test]
fn a_misspelt_variable_is_refused_by_commands_that_call_a_server_too() {
    let folder = tempfile::tempdir().unwrap();
    for (name, near) in [("LATCHKEY_SERVR", "LATCHKEY_SERVER"), ("LATCHKEY_APIKEY", "LATCHKEY_API_KEY")] {
        let output = latchkey(folder.path()).args(["tenant", "list"]).env(name, "x").output().unwrap();
        let error = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{error}");
        assert!(error.contains(&format!("the nearest is {near}")), "{error}");
    }
    let output = latchkey(folder.path()).args(["serve"]).env("LATCHKEY_HTTP_PORT", "9999").output().unwrap();
    assert!(text(&output.stderr).contains("the nearest is LATCHKEY_HTTP_ADDR"), "{output:?}");
}

#[test]
fn an_address_that_envoy_or_a_client_would_read_in_another_way_is_refused() {
    for server in ["http://127.0.0.1:99999", "http://127.0.0.1:1/foo", "http://ada:canary@127.0.0.1:1"] {
        let output = run(&["--server", server, "tenant", "list"]);
        let error = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{server}: {error}");
        assert!(error.contains("is not a server address") && !error.contains("canary"), "{error}");
    }
    let demo = concat!(env!("CARGO_MANIFEST_DIR"), "/../../profiles/demo.toml");
    for option in ["--listen", "--admin"] {
        let output = run(&["envoy-config", demo, option, "localhost:8088"]);
        let error = text(&output.stderr);
        assert!(output.status.code() == Some(2) && error.contains("IP:PORT"), "{option}: {error}");
    }
    let output = run(&["envoy-config", "profiles/typo.toml"]);
    let error = text(&output.stderr);
    assert!(output.status.code() != Some(6) && error.contains("profiles/typo.toml"), "{error}");
}
