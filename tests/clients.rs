//! Tests of the client packages for other languages, built as their users build them, against the built
//! program with TLS.

use std::path::Path;
use std::process::Command;

use latchkey_testing::program;

fn check(language: &str) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut command = Command::new(root.join("scripts/clients"));
    let output = command.arg(language).env("LATCHKEY", program()).output().expect("bash starts");
    let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success(), "{text}");
}

#[test]
fn the_python_package_and_its_guard_work() {
    check("python");
}

#[test]
fn the_node_package_and_its_guard_work() {
    check("node");
}

#[test]
fn the_go_module_and_its_guards_work() {
    check("go");
}
