//! Tests of the built program: its help, its errors and its exit codes.

#![expect(clippy::unwrap_used, reason = "a test that can't go on says so by ending")]

mod closed_output;
mod help;
mod input_files;
mod json;
mod migrations;
mod operators;
mod profile_changes;
mod questions;
mod secret_files;
mod variables;
mod words;

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

/// The program in an empty folder, with nothing of the tester's own environment in it.
fn latchkey(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_latchkey"));
    command.env_clear().current_dir(folder).stdin(Stdio::null());
    command
}

fn run(arguments: &[&str]) -> Output {
    let folder = tempfile::tempdir().unwrap();
    latchkey(folder.path()).args(arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn all_bad_settings_are_named_at_once_and_nothing_starts() {
    let folder = tempfile::tempdir().unwrap();
    let output = latchkey(folder.path())
        .args(["serve", "--cache-lease", "soon"])
        .env("LATCHKEY_GRPC_ADDR", "nowhere")
        .env("LATCHKEY_ROOT_KEY", "canary")
        .output()
        .unwrap();
    let complaint = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{complaint}");
    for name in
        ["cache_lease (--cache-lease)", "grpc_addr (LATCHKEY_GRPC_ADDR)", "root_key (LATCHKEY_ROOT_KEY)"]
    {
        assert!(complaint.contains(name), "{name}: {complaint}");
    }
    assert!(!complaint.contains("canary"), "{complaint}");
    assert_eq!(folder.path().read_dir().unwrap().count(), 0, "nothing was made");
}

#[test]
fn a_profile_with_a_mistake_is_reported_with_its_line() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("bad.toml"), "name = \"bad\"\nnonsense = 1\n").unwrap();
    let output = latchkey(folder.path()).args(["serve", "--profiles", "bad.toml"]).output().unwrap();
    let complaint = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{complaint}");
    assert!(complaint.contains("bad.toml: line 2"), "{complaint}");
}

#[test]
fn an_invalid_command_line_is_a_usage_error() {
    assert_eq!(run(&["nonsense"]).status.code(), Some(2));
    assert_eq!(run(&["tenant", "update", "acme"]).status.code(), Some(2), "nothing would change");
    assert_eq!(run(&["user", "update", "user_1"]).status.code(), Some(2), "nothing would change");
    assert_eq!(run(&["--server", "ftp://x:1", "tenant", "list"]).status.code(), Some(2));
}

#[test]
fn a_server_that_is_not_there_is_unreachable() {
    let output = run(&["--server", "http://127.0.0.1:1", "tenant", "list"]);
    assert_eq!(output.status.code(), Some(6), "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains("latchkey serve"));
}

/// A server on ports of its own, ended with SIGTERM; its operator's key is in a file, because the log is JSON.
struct TestServer {
    child: Child,
    folder: tempfile::TempDir,
    url: String,
    http: String,
    root: String,
}

impl TestServer {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut child = latchkey(folder.path())
            .args(["serve", "--grpc-addr", "127.0.0.1:0", "--http-addr", "127.0.0.1:0"])
            // The defaults are too short for a busy machine.
            .envs([("LATCHKEY_CHECK_DEADLINE", "5s"), ("LATCHKEY_DATABASE_DEADLINE", "30s")])
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
        let mut lines = lines.filter_map(|line| serde_json::from_str::<serde_json::Value>(&line).ok());
        let listening = lines.find(|line| line["message"] == "listening").expect("it listens");
        assert!(lines.any(|line| line["message"] == "ready"), "it gets ready");
        let [grpc, http] = ["grpc", "http"].map(|port| listening[port].as_str().unwrap().to_owned());
        let root = std::fs::read_to_string(folder.path().join("latchkey.db.root-key")).unwrap();
        let url = format!("http://{grpc}");
        let mut readiness = TcpStream::connect(&http).unwrap();
        readiness.write_all(b"GET /readyz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        readiness.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        Self { child, folder, url, http, root: root.trim_end().to_owned() }
    }

    fn call(&self, arguments: &[&str]) -> (i32, String, String) {
        let mut command = latchkey(self.folder.path());
        let output =
            command.env("LATCHKEY_SERVER", &self.url).env("LATCHKEY_API_KEY", &self.root).args(arguments);
        let output = output.output().unwrap();
        (output.status.code().unwrap(), text(&output.stdout), text(&output.stderr))
    }

    fn end(mut self) {
        self.stop();
    }

    fn stop(&mut self) {
        let kill = Command::new("kill").arg(self.child.id().to_string()).status().unwrap();
        assert!(kill.success() && self.child.wait().unwrap().code() == Some(0), "it drains and ends with 0");
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        // The server has already ended if the test has completed.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

#[test]
fn a_tenants_life_has_the_exit_codes_that_help_promises() {
    let served = TestServer::start();
    let mode = served.folder.path().join("latchkey.db.master-key").metadata().unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let demo = concat!(env!("CARGO_MANIFEST_DIR"), "/../../profiles/demo.toml");
    let done = |arguments: &[&str]| {
        let (code, out, error) = served.call(arguments);
        assert_eq!(code, 0, "{arguments:?}: {error}");
        out
    };
    assert!(done(&["apply", "-f", demo]).contains("demo version 1"));
    assert!(done(&["apply", "-f", demo]).contains("demo version 1"), "unchanged");
    done(&["tenant", "create", "acme", "--profile", "demo"]);
    assert!(done(&["tenant", "list"]).contains("acme"));
    let create =
        ["key", "create", "--tenant", "acme", "--name", "k", "--scope", "things.read", "--secret-only"];
    let key = done(&create).trim().to_owned();
    let listed = done(&["key", "list", "--tenant", "acme", "--output", "json"]);
    let listed: serde_json::Value = serde_json::from_str(&listed).unwrap();
    assert_eq!((&listed["keys"][0]["name"], listed["keys"][0].get("value")), (&"k".into(), None));
    assert!(done(&["check", &key, "--method", "GET", "--path", "/things"]).starts_with("ALLOWED"));
    let (code, out, _) = served.call(&["check", &key, "--method", "POST", "--path", "/things"]);
    assert!(code == 3 && out.contains("INSUFFICIENT_SCOPE") && out.contains('✗'), "{code} {out}");
    let id = listed["keys"][0]["id"].as_str().unwrap();
    done(&["key", "revoke", id, "--reason", "test"]);
    assert_eq!(served.call(&["check", &key, "--method", "GET", "--path", "/things"]).0, 3);
    assert_eq!(served.call(&["key", "rotate", id, "--yes"]).0, 7, "a revoked key can't be rotated");
    assert_eq!(served.call(&["tenant", "get", "nobody"]).0, 5);
    assert_eq!(served.call(&["--api-key", "wrong", "tenant", "list"]).0, 4);
    let (code, _, error) = served.call(&["tenant", "create", "X", "--profile", "none"]);
    assert!(code == 2 && error.contains("slug:") && error.contains("profile:"), "{code} {error}");
    served.end();
}

#[test]
fn the_callers_own_file_says_where_the_server_is_and_who_calls() {
    let served = TestServer::start();
    let home = served.folder.path().join("xdg");
    let own = |name: &str, text: &str| {
        std::fs::create_dir_all(home.join("latchkey")).unwrap();
        std::fs::write(home.join("latchkey").join(name), text).unwrap();
        home.join("latchkey").join(name).display().to_string()
    };
    let key = own("key", &format!("{}\n", served.root));
    own("config.toml", &format!("server = '{}'\nkey_file = '{key}'\noutput = 'json'\n", served.url));
    let list = |words: &[&str]| {
        let mut command = latchkey(served.folder.path());
        command.env("XDG_CONFIG_HOME", &home).args(["tenant", "list"]).args(words).output().unwrap()
    };
    let listed = list(&[]);
    assert!(listed.status.success() && text(&listed.stdout).starts_with('{'), "{listed:?}");
    assert_eq!(list(&["--server", "http://127.0.0.1:1"]).status.code(), Some(6), "what is said wins");
    let wrong = own("wrong", "another-key");
    assert_eq!(list(&["--key-file", &wrong]).status.code(), Some(4), "here too");
    own("config.toml", "sever = 'http://127.0.0.1:1'");
    let message = list(&[]);
    assert!(
        message.status.code() == Some(2) && text(&message.stderr).contains("sever is none of"),
        "{message:?}"
    );
    served.end();
}

#[test]
fn a_user_signs_in_and_is_changed_and_ended() {
    let served = TestServer::start();
    let auxvault = concat!(env!("CARGO_MANIFEST_DIR"), "/../../profiles/auxvault.toml");
    let done = |arguments: &[&str]| {
        let (code, out, error) = served.call(arguments);
        assert_eq!(code, 0, "{arguments:?}: {error}");
        out
    };
    let json = |arguments: &[&str]| -> serde_json::Value {
        serde_json::from_str(&done(&[arguments, &["--output", "json"]].concat())).unwrap()
    };
    let file = |name: &str, text: &str| {
        let path = served.folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    done(&["apply", "-f", auxvault]);
    done(&["tenant", "create", "acme", "--profile", "auxvault"]);
    let (first, second) =
        (file("first", "the sea at night, 1815"), file("second", "another one, just as long"));
    let create = ["user", "create", "ada@example.dev", "--role", "merchant", "--tenant", "acme"];
    let user = json(&[&create, ["--environment", "test", "--password-file", &first].as_slice()].concat());
    let id = user["id"].as_str().unwrap();
    assert_eq!(user["environment"], "test");
    let sign_in = |password: &str| {
        let ask =
            ["jwt", "issue", "--email", "ada@example.dev", "--tenant", "acme", "--password-file", password];
        served.call(&[ask.as_slice(), &["--output", "json"]].concat())
    };
    let issued: serde_json::Value = serde_json::from_str(&sign_in(&first).1).unwrap();
    let access = file("access", issued["accessToken"].as_str().unwrap());
    let refresh = file("refresh", issued["refreshToken"].as_str().unwrap());
    assert!(done(&["jwt", "inspect", "--token-file", &access]).contains("\"env\": \"test\""));
    let renewed = json(&["jwt", "refresh", "--token-file", &refresh]);
    assert_ne!(renewed["refreshToken"], issued["refreshToken"]);
    let updated = json(&["user", "update", id, "--environment", "", "--binding", "merchant=m_1"]);
    assert_eq!((updated.get("environment"), &updated["bindings"]["merchant"]), (None, &"m_1".into()));
    assert_eq!(served.call(&["jwt", "refresh", "--token-file", &refresh]).0, 4, "its family is over");
    assert!(done(&["jwt", "revoke", "--token-file", &refresh]).contains("revision"));
    done(&["user", "set-password", id, "--password-file", &second]);
    assert_eq!((sign_in(&first).0, sign_in(&second).0), (4, 0));
    done(&["user", "disable", id]);
    assert!(done(&["user", "list", "--tenant", "acme"]).contains("disabled"));
    assert_eq!(sign_in(&second).0, 4);
    done(&["user", "update", id, "--disabled", "false"]);
    assert_eq!(sign_in(&second).0, 0);
    assert_eq!(served.call(&["user", "update", id, "--role", "nobody"]).0, 2);
    let rotated = json(&["signing-key", "rotate", "auxvault", "--lead", "1h"]);
    let published =
        rotated["keys"].as_array().unwrap().iter().find(|key| key["state"] == "published").unwrap();
    done(&["signing-key", "withdraw", published["id"].as_str().unwrap(), "--yes"]);
    assert!(done(&["signing-key", "list"]).contains("withdrawn"));
    served.end();
}
