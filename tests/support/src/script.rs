//! Short programs in other languages, with their usual libraries: they read JSON and return JSON.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::tools;

/// Runs a Python program with `PyJWT`.
#[must_use]
pub fn python(program: &str, input: &Value) -> Value {
    let mut command = Command::new(tools::tool("python3"));
    command.env("PYTHONPATH", tools::library("pyjwt", "jwt/__init__.py")).args(["-c", program]);
    run(command, input)
}

/// Runs a JavaScript program, a module, with jose's path as its argument.
#[must_use]
pub fn node(program: &str, input: &Value) -> Value {
    let entry = "node_modules/jose/dist/webapi/index.js";
    let jose: PathBuf = tools::library("node", entry).join(entry);
    let mut command = Command::new(tools::tool("node"));
    command.args(["--input-type=module", "-e", program, "--"]).arg("jose").arg(jose);
    run(command, input)
}

fn run(mut command: Command, input: &Value) -> Value {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?} does not start: {error}"));
    let mut stdin = child.stdin.take().expect("a pipe was asked for");
    stdin.write_all(input.to_string().as_bytes()).expect("the program reads");
    drop(stdin);
    let output = child.wait_with_output().expect("the program ends");
    let text = String::from_utf8_lossy(&output.stdout);
    serde_json::from_str(&text)
        .unwrap_or_else(|error| panic!("{error}: {text}\n{}", String::from_utf8_lossy(&output.stderr)))
}
