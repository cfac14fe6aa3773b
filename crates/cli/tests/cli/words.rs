//! Error texts and exit codes for common mistakes on the command line.

use crate::{TestServer, run, text};

#[test]
fn a_missing_or_decorated_credential_is_named_with_the_places_to_correct() {
    let served = TestServer::start();
    let call = |key: &str| served.call(&["--api-key", key, "tenant", "list"]);
    let (code, _, error) = call("");
    assert!(code == 4 && error.contains("LATCHKEY_API_KEY") && error.contains("--key-file"), "{error}");
    for decorated in ["Bearer lk_op_x", "bearer lk_op_x", "Bearer: lk_op_x"] {
        let (code, _, error) = call(decorated);
        assert!(code == 2 && error.contains("the word Bearer"), "{decorated}: {error}");
        assert!(!error.contains("lk_op_x"), "{error}");
    }
    let (code, _, error) = call("two words");
    assert!(code == 2 && error.contains("at position 4"), "{error}");
    let (code, _, error) = call("wrong");
    assert!(code == 4 && error.contains("not valid") && error.contains("has expired"), "{error}");
    let (code, out, error) = served.call(&["check", "Bearer dk_live_x", "--path", "/things"]);
    assert!(
        code == 3 && out.contains("the word Bearer") && error.contains("the word Bearer"),
        "{out} {error}"
    );
    served.end();
}

#[test]
fn a_check_with_a_wrong_field_is_no_denial_to_a_script() {
    let served = TestServer::start();
    for wrong in [["--source-ip", "bogus"], ["--profile", "nope"]] {
        let (code, out, error) =
            served.call(&[&["check", "dk_live_x", "--path", "/things"], &wrong[..]].concat());
        assert!(code == 2 && out.contains("MALFORMED_REQUEST"), "{code} {out} {error}");
    }
    assert_eq!(served.call(&["check", "dk_live_x", "--path", "/things"]).0, 3);
    served.end();
}

#[test]
fn a_wrong_name_is_reported_once_with_the_choices_and_the_nearest() {
    let served = TestServer::start();
    let demo = concat!(env!("CARGO_MANIFEST_DIR"), "/../../profiles/demo.toml");
    assert_eq!(served.call(&["apply", "-f", demo]).0, 0);
    let fails = |words: &[&str], expected: &str| {
        let (code, _, error) = served.call(words);
        assert_eq!(code, 2, "{error}");
        assert_eq!(error.matches(expected).count(), 1, "{expected}: {error}");
    };
    fails(
        &["tenant", "create", "acme", "--profile", "dmeo"],
        "\"dmeo\" is not one of demo; did you mean demo?",
    );
    fails(&["tenant", "create", "ACME", "--profile", "demo"], "slug: \"ACME\" must have 3 to 63");
    assert_eq!(served.call(&["tenant", "create", "acme", "--profile", "demo"]).0, 0);
    fails(
        &["tenant", "update", "acme", "--plan", "gold"],
        "plan (--plan): \"gold\" cannot be named here, because there are none: leave it empty",
    );
    let create = ["key", "create", "--tenant", "acme", "--name", "k"];
    let with = |more: &[&'static str]| [create.as_slice(), more].concat();
    fails(&with(&["--scope", "things.raed"]), "did you mean things.read?");
    fails(&with(&["--environment", "prod"]), "environment: \"prod\" is not one of live");
    fails(&with(&["--kind", "sekret"]), "kind: \"sekret\" is not one of");
    fails(&with(&["--rate-limit", "defualt=1/min"]), "did you mean default?");
    fails(&with(&["--expires", "2020-01-01T00:00:00Z"]), "expire_time (--expires): ");
    fails(&["jwt", "issue"], "an operator's, to which no tokens are issued: give a tenant's key");
    fails(&["key", "create", "--name", "k"], "tenant: is required of an operator");
    served.end();
}

#[test]
fn a_negative_value_is_refused_as_the_value_that_it_is() {
    let output = run(&["serve", "--poll-interval", "-1s"]);
    let error = text(&output.stderr);
    assert!(output.status.code() == Some(2) && error.contains("feed_poll_interval"), "{error}");
    assert!(error.contains("\"-1s\"") && error.contains("10ms to 600s"), "{error}");
    let output = run(&["key", "create", "--tenant", "acme", "--name", "k", "--ttl", "-1h"]);
    let error = text(&output.stderr);
    assert!(output.status.code() == Some(2) && error.contains("'-1h'") && error.contains("24h"), "{error}");
}

#[test]
fn a_reader_that_ends_early_ends_the_program_without_an_error_text() {
    use std::process::{Command, Stdio};
    for words in [&["completions", "bash"][..], &["serve", "--help"], &["key", "create", "--help"]] {
        let mut child = Command::new(env!("CARGO_BIN_EXE_latchkey"))
            .args(words)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        assert!(output.stderr.is_empty(), "{words:?}: {}", text(&output.stderr));
        assert_ne!(output.status.code(), Some(101), "{words:?}");
    }
}

#[test]
fn an_envoy_is_executed_for_the_process_that_asks_alone() {
    let parent = std::process::id().to_string();
    let output = run(&["--execute-envoy", &parent, "/nowhere/echo", "/bin/echo", "--", "-a", "--", "b"]);
    assert_eq!((output.status.code(), text(&output.stdout).as_str()), (Some(0), "-a -- b\n"));
    for words in [&["--execute-envoy"][..], &["--execute-envoy", "0", "/bin/echo", "--", "executed"]] {
        let output = run(words);
        let error = text(&output.stderr);
        assert!(output.status.code() == Some(127) && output.stdout.is_empty(), "{words:?}: {error}");
        assert!(error.contains("for `latchkey dev` alone"), "{words:?}: {error}");
    }
    let output = run(&["--execute-envoy", &parent, "/nowhere/envoy", "--"]);
    let error = text(&output.stderr);
    assert!(output.status.code() == Some(127), "{error}");
    assert!(error.starts_with("latchkey: /nowhere/envoy can't be started: No such file"), "{error}");
}
