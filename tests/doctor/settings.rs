//! Tests of settings that are valid by themselves, but serve in plain text, name documents with errors, or need more
//! open files than the process may have.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use latchkey_testing::{Ca, Folder, Setup, eventually, program};

use crate::{doctor, has};

#[test]
fn each_port_that_others_reach_in_plain_text_is_reported() {
    let (folder, ca) = (Folder::new("plain"), Ca::new());
    let path = |name: &str, text: &str| folder.write(name, text).display().to_string();
    let pair = ca.issue(&["localhost"]);
    let (cert, key) = (path("cert.pem", &pair.cert), path("key.pem", &pair.key));
    let ports = ["--grpc-addr", "0.0.0.0:50051", "--management-addr", "0.0.0.0:50052", "--insecure"];
    let plain = |words: &[&str]| -> Vec<String> {
        let (found, _) = doctor(&[&ports[..], &["--http-addr", "0.0.0.0:8081"], words].concat());
        let messages = found.into_iter().map(|(.., what)| what);
        let plain = messages.filter(|what| what.contains("is served in plain text"));
        plain.map(|what| what.split(' ').next().unwrap_or_default().to_owned()).collect()
    };
    assert_eq!(plain(&[]), ["grpc_addr", "management_addr", "http_addr"]);
    let tls = ["--tls-cert", &cert, "--tls-key", &key];
    assert_eq!(plain(&tls), ["http_addr"]);
    let whole = plain(&[&tls[..], &["--http-tls"]].concat());
    assert!(whole.is_empty(), "{whole:?}");
}

#[test]
fn a_document_with_which_a_start_fails_is_reported() {
    let (folder, wrong) = (Folder::new("documents"), "nonsense = 1\n");
    let demo = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/profiles/demo.toml"));
    let _ = folder.write("first.toml", demo);
    let profiles = folder.path().display().to_string();
    let (found, code) = doctor(&["--profiles", &profiles]);
    assert!(code == 0 && !found.iter().any(|(.., what)| what.contains("profiles: ")), "{found:?}");
    let _ = folder.write("second.toml", demo);
    let _ = folder.write("wrong.toml", wrong);
    let (found, code) = doctor(&["--profiles", &profiles]);
    has(&found, "settings", "error", "second.toml: another document is named \"demo\"");
    has(&found, "settings", "error", "wrong.toml: line 1");
    assert_eq!(code, 2);
    let refused = Setup::default().profile("wrong", wrong).launch();
    assert_eq!(refused.wait().code(), Some(2), "a start with the same document");
    assert!(refused.log().contains("wrong.toml: line 1"), "{}", refused.log());
}

#[test]
fn a_limit_of_open_files_that_is_too_low_is_logged_at_the_start() {
    let folder = Folder::new("limit");
    let text = format!("#!/bin/sh\nulimit -n 2048\nexec {} \"$@\"\n", program().display());
    let script = folder.write("latchkey", &text);
    fs::set_permissions(&script, fs::Permissions::from_mode(0o700)).expect("the mode can be set");
    let setup = Setup::default().program(&script);
    let latchkey = setup.environment("LATCHKEY_MAX_CONNECTIONS", "4096").start();
    let words = "the limit of open files is too low for max_connections";
    eventually("the log tells", || latchkey.log().contains(words).then_some(()));
    let metrics = latchkey.page("/metrics").body;
    let (_, limit) = metrics.split_once(r#"latchkey_connections_limit{listener="grpc"} "#).expect("a limit");
    let limit: u32 = limit.lines().next().and_then(|limit| limit.parse().ok()).expect("a number");
    assert!((1_024..2_048).contains(&limit), "{limit} connections leave room for probes and the database");
}
