//! Output that can't be written: the result of a command stays what it is, a secret that is lost is reported, and none is
//! created for an output that is known to be lost.

use std::fs::{File, OpenOptions};
use std::io::pipe;
use std::process::{Output, Stdio};

use crate::{TestServer, latchkey, text};

const DEMO: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../profiles/demo.toml");

/// Output whose reader has ended.
fn ended() -> Stdio {
    let (reader, writer) = pipe().unwrap();
    drop(reader);
    writer.into()
}

/// Device that has no room.
fn full() -> Stdio {
    let device: File = OpenOptions::new().write(true).open("/dev/full").unwrap();
    device.into()
}

#[test]
fn a_reader_that_has_ended_does_not_change_the_exit_code() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("bad.toml"), "name = \"bad\"\nnonsense = 1\n").unwrap();
    for (words, code) in [
        (&["doctor", "--cache-lease", "soon"][..], 2),
        (&["profile", "lint", "bad.toml"], 2),
        (&["profile", "lint", DEMO], 0),
    ] {
        let output = latchkey(folder.path()).args(words).stdout(ended()).output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{words:?}: {}", text(&output.stderr));
    }
}

#[test]
fn a_denial_and_a_lost_secret_are_not_hidden_by_a_closed_output() {
    let served = TestServer::start();
    let call = |words: &[&str], output: Stdio| -> Output {
        let mut command = latchkey(served.folder.path());
        command.env("LATCHKEY_SERVER", &served.url).env("LATCHKEY_API_KEY", &served.root);
        command.args(words).stdout(output).output().unwrap()
    };
    assert_eq!(served.call(&["apply", "-f", DEMO]).0, 0);
    assert_eq!(served.call(&["tenant", "create", "acme", "--profile", "demo"]).0, 0);
    let denied = call(&["check", "no-such-key", "--method", "GET", "--path", "/things"], ended());
    assert_eq!(denied.status.code(), Some(3), "{denied:?}");
    let create = ["key", "create", "--tenant", "acme", "--name", "k", "--scope", "things.read"];
    let alone = [create.as_slice(), &["--secret-only"]].concat();
    let operator = ["operator", "create", "--role", "read", "--name", "wall", "--secret-only"];
    let id = |error: &str| {
        let id = error.split_whitespace().find(|word| word.starts_with("key_")).unwrap_or_default();
        id.trim_end_matches([',', ';']).to_owned()
    };
    for (words, output, again) in [
        (&create[..], ended(), "latchkey key revoke"),
        (&alone, ended(), "latchkey key revoke"),
        (&alone, full(), "latchkey key revoke"),
        (&operator, ended(), "latchkey operator revoke"),
    ] {
        let lost = call(words, output);
        let error = text(&lost.stderr);
        let id = id(&error);
        assert_eq!(lost.status.code(), Some(1), "{error}");
        assert!(error.contains(&format!("{again} {id}")), "{error}");
        assert_eq!(served.call(&["key", "get", &id]).0, 0, "{error}");
        let rotated = call(&["key", "rotate", &id, "--secret-only", "--yes"], full());
        let error = text(&rotated.stderr);
        assert!(rotated.status.code() == Some(1) && error.contains("latchkey key rotate key_"), "{error}");
    }
    served.end();
}

#[test]
fn no_secret_is_created_for_an_output_that_is_closed() {
    let served = TestServer::start();
    assert_eq!(served.call(&["apply", "-f", DEMO]).0, 0);
    assert_eq!(served.call(&["tenant", "create", "acme", "--profile", "demo"]).0, 0);
    let keys =
        || served.call(&["key", "list", "--all-tenants", "--output", "json"]).1.matches("\"id\"").count();
    let before = keys();
    for words in [
        &["key", "create", "--tenant", "acme", "--name", "k", "--scope", "things.read"][..],
        &["key", "create", "--tenant", "acme", "--name", "k", "--scope", "things.read", "--secret-only"],
        &["operator", "create", "--role", "read", "--name", "wall", "--secret-only"],
    ] {
        let mut shell = std::process::Command::new("sh");
        shell.env_clear().args(["-c", r#"exec "$0" "$@" >&-"#, env!("CARGO_BIN_EXE_latchkey")]).args(words);
        shell.env("LATCHKEY_SERVER", &served.url).env("LATCHKEY_API_KEY", &served.root);
        let output = shell.current_dir(served.folder.path()).output().unwrap();
        let error = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{words:?}: {error}");
        assert!(error.contains("nothing was created"), "{words:?}: {error}");
    }
    assert_eq!(keys(), before, "no key was created");
    served.end();
}

#[test]
fn a_value_that_was_shown_before_is_not_printed_as_an_empty_one() {
    let served = TestServer::start();
    assert_eq!(served.call(&["apply", "-f", DEMO]).0, 0);
    assert_eq!(served.call(&["tenant", "create", "acme", "--profile", "demo"]).0, 0);
    let create = ["key", "create", "--tenant", "acme", "--name", "k", "--idempotency-key", "i"];
    let alone = [create.as_slice(), &["--secret-only"]].concat();
    let (code, value, error) = served.call(&alone);
    assert!(code == 0 && value.starts_with("demo_live_"), "{error}");
    let (code, out, error) = served.call(&alone);
    assert!(code == 7 && out.is_empty(), "{code} {out}");
    assert!(error.contains("is not shown again") && error.contains("latchkey key revoke key_"), "{error}");
    assert!(!error.contains(value.trim()), "{error}");
    let (code, out, error) = served.call(&create);
    assert!(code == 0 && out.contains("was created before"), "{error}");
    served.end();
}
