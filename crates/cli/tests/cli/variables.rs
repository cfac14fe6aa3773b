//! Variables of the environment and addresses that are refused before anything is read or called.

use std::ffi::OsStr;
use std::net::TcpListener;
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
fn an_empty_variable_of_the_command_line_counts_as_unset() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("latchkey")).unwrap();
    std::fs::write(folder.path().join("latchkey/config.toml"), "server = 'http://127.0.0.1:1'\n").unwrap();
    let names = ["SERVER", "API_KEY", "API_KEY_FILE", "CA_FILE", "CERT_FILE", "CERT_KEY_FILE", "ENVOY"];
    let call = |words: &[&str]| {
        let mut command = latchkey(folder.path());
        command.env("XDG_CONFIG_HOME", folder.path()).args(words);
        for name in names {
            command.env(format!("LATCHKEY_{name}"), "");
        }
        let output = command.output().unwrap();
        (output.status.code(), text(&output.stderr))
    };
    let (code, error) = call(&["tenant", "list"]);
    assert!(code == Some(6) && error.contains("http://127.0.0.1:1"), "the file names the server: {error}");
    // The port is taken, so that the server ends at once.
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let (code, error) = call(&["dev", "--grpc-addr", &address, "--http-addr", "127.0.0.1:0"]);
    assert!(code == Some(1) && error.contains(&address), "{error}");
}

#[test]
fn a_variable_in_another_spelling_starts_no_database() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["latchkey_database_url", "LATCH_KEY_DATABASE_URL", "LATCHKEY-DATABASE-URL"] {
        let output = latchkey(folder.path()).arg("serve").env(name, "postgres://db/x").output().unwrap();
        let error = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{error}");
        assert!(error.contains(name) && error.contains("the nearest is LATCHKEY_DATABASE_URL"), "{error}");
        assert_eq!(folder.path().read_dir().unwrap().count(), 0, "nothing was made");
    }
}

#[test]
fn a_file_of_defaults_that_cannot_be_read_is_not_ignored() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("latchkey/config.toml");
    let call = || {
        let mut command = latchkey(folder.path());
        command.env("XDG_CONFIG_HOME", folder.path()).args(["tenant", "list", "--api-key", "k"]);
        let output = command.args(["--server", "http://127.0.0.1:1"]).output().unwrap();
        (output.status.code(), text(&output.stderr))
    };
    assert_eq!(call().0, Some(6), "there is no file");
    std::fs::create_dir_all(&file).unwrap();
    let (code, error) = call();
    assert!(code == Some(2) && error.contains("config.toml: can't be read"), "a folder: {error}");
    std::fs::remove_dir(&file).unwrap();
    std::os::unix::fs::symlink("nowhere", &file).unwrap();
    let (code, error) = call();
    assert!(code == Some(2) && error.contains("config.toml: can't be read"), "a link to nothing: {error}");
}

#[test]
fn dev_takes_its_addresses_from_variables_too() {
    let folder = tempfile::tempdir().unwrap();
    // The ports are taken, so that the server ends at once.
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    for (variable, other) in [("LATCHKEY_GRPC_ADDR", "--http-addr"), ("LATCHKEY_HTTP_ADDR", "--grpc-addr")] {
        let mut command = latchkey(folder.path());
        let output = command.args(["dev", other, "127.0.0.1:0"]).env(variable, &address).output().unwrap();
        let error = text(&output.stderr);
        assert!(output.status.code() == Some(1) && error.contains(&address), "{variable}: {error}");
    }
}

#[test]
fn a_misspelt_variable_is_refused_by_dev_too() {
    let folder = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let mut command = latchkey(folder.path());
    command.args(["dev", "--grpc-addr", &address]).env("LATCHKEY_LOG_FROMAT", "json");
    let output = command.output().unwrap();
    let error = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{error}");
    assert!(error.contains("the nearest is LATCHKEY_LOG_FORMAT"), "{error}");
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
