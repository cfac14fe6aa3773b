//! `latchkey profile lint` and `latchkey profile test`, as an author's CI runs them: without a server.

#![expect(clippy::unwrap_used, reason = "a test that can't go on says so by ending")]

use std::process::{Command, Output};

const DOCUMENT: &str = r#"name = "p"
[credential]
sources = ["header:x-api-key"]
[[kinds]]
name = "k"
prefix = "k_"
[[scopes]]
name = "idle"
[[routes]]
path = "/**"
[[examples]]
name = "passes"
request = "GET /x"
headers = { x-api-key = "{{ key }}" }
as = {}
expect = { status = 200 }
"#;

/// A document whose example promises another status than there is.
const BROKEN: &str = r#"name = "p"
[credential]
sources = ["header:x-api-key"]
[[kinds]]
name = "k"
prefix = "k_"
[[routes]]
path = "/**"
[[examples]]
name = "passes"
request = "GET /x"
headers = { x-api-key = "{{ key }}" }
who = {}
expect = { status = 401 }
"#;

fn run(command: &str, documents: &[&str]) -> Output {
    let folder = tempfile::tempdir().unwrap();
    for (number, document) in documents.iter().enumerate() {
        std::fs::write(folder.path().join(format!("{number}.toml")), document).unwrap();
    }
    let mut program = Command::new(env!("CARGO_BIN_EXE_latchkey"));
    program.env_clear().current_dir(folder.path()).args(["profile", command, "."]).output().unwrap()
}

fn said(output: &Output) -> (Option<i32>, String) {
    let text = [output.stdout.as_slice(), &output.stderr].concat();
    (output.status.code(), String::from_utf8(text).unwrap())
}

#[test]
fn a_warning_has_its_place_and_is_no_failure() {
    let (code, text) = said(&run("lint", &[DOCUMENT]));
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("0.toml:8:8: warning: scopes[0].name: no route requires"), "{text}");
    assert!(text.ends_with("1 document is valid\n"), "{text}");
}

#[test]
fn every_error_has_its_place_and_the_code_says_so() {
    let (code, text) = said(&run("lint", &[DOCUMENT, "name = \"Q\"\nx = 1\n"]));
    assert_eq!(code, Some(2), "{text}");
    assert!(text.contains("1.toml:1:8: error: name: ") && text.contains("1.toml:2:1: error: x: "), "{text}");
    assert!(text.contains("1 document would be refused"), "{text}");
}

#[test]
fn examples_that_hold_are_ok_and_one_that_does_not_is_a_failure() {
    let (code, text) = said(&run("test", &[DOCUMENT]));
    assert!(code == Some(0) && text.contains("0.toml: passes\n1 example, 0 failed\n"), "{text}");
    let (code, text) = said(&run("test", &[DOCUMENT, BROKEN]));
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("    expected the status 401, got 200\n2 examples, 1 failed"), "{text}");
}
