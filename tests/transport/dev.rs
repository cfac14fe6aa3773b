//! The Envoy of `latchkey dev --envoy`, in front of a profile that a user applies to it.

use std::path::Path;
use std::process::Command;

use latchkey_testing::{
    Folder, Process, Request, Signal, eventually, free_port, program, replace_once, tool,
};

const DEMO: &str = include_str!("../../profiles/demo.toml");

/// Starts `latchkey dev --envoy` on these addresses, and returns it with the operator's key and the demo key.
fn start(folder: &Folder, [grpc, http, front]: [&str; 3]) -> (Process, [String; 2]) {
    let mut command = Command::new(program());
    command.env_clear().env("TMPDIR", folder.path()).args(["dev", "--envoy"]);
    command.arg("--envoy-binary").arg(tool("envoy"));
    command.args(["--grpc-addr", grpc, "--http-addr", http, "--envoy-addr", front]);
    let mut dev = Process::start(&mut command, folder, "dev");
    let keys = eventually("Envoy serves", || {
        let log = dev.log();
        assert!(dev.ended().is_none(), "{log}");
        let printed = |label: &str| log.split(label).nth(1)?.split_whitespace().next().map(str::to_owned);
        log.contains("Press Ctrl-C").then_some(())?;
        Some([printed("operator's key")?, printed("tenant \"demo\"")?])
    });
    (dev, keys)
}

fn apply(document: &Path, grpc: &str, operator: &str) {
    let mut command = Command::new(program());
    command.env_clear().env("LATCHKEY_API_KEY", operator).args(["--server", &format!("http://{grpc}")]);
    let output = command.args(["apply", "--yes", "-f"]).arg(document).output().expect("the program starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn a_credential_in_a_body_reaches_a_check() {
    let (folder, front) = (Folder::new("dev-body"), free_port());
    let [grpc, http, envoy] = [free_port(), free_port(), front].map(|port| format!("127.0.0.1:{port}"));
    let (mut dev, [operator, key]) = start(&folder, [&grpc, &http, &envoy]);
    let sources = r#"sources = ["header:x-api-key", "body:/key"]"#;
    let document = replace_once(DEMO, r#"sources = ["header:x-api-key"]"#, sources);
    apply(&folder.write("demo.toml", &document), &grpc, &operator);
    // The key may not write. A busy machine can miss the deadline of a Check, so requests are repeated.
    let reason = |body: &str, expected: &str| {
        let request = Request::new("POST", "h", "/things").json(body);
        eventually(expected, || request.send(front).body.contains(expected).then_some(()));
    };
    reason(&format!(r#"{{"key":"{key}"}}"#), "INSUFFICIENT_SCOPE");
    reason("{}", "MISSING_CREDENTIAL");
    let large = Request::new("POST", "h", "/things").json(&format!(r#"{{"x":"{}"}}"#, "x".repeat(64 * 1024)));
    assert_eq!(large.send(front).status, 413, "a part of a body is never judged");
    assert!(dev.end(Signal::TERM).success(), "{}", dev.log());
}
