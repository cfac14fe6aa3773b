//! Changes of a profile from the command line: shown, confirmed, forced, and taken back.

use super::{TestServer, latchkey, text};

const DEMO: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../profiles/demo.toml"));

/// Writes a document into the server's folder.
fn document(served: &TestServer, name: &str, text: &str) -> String {
    let path = served.folder.path().join(name);
    std::fs::write(&path, text).unwrap();
    path.display().to_string()
}

#[test]
fn a_change_is_shown_and_applied_only_where_it_is_confirmed() {
    let served = TestServer::start();
    let done = |arguments: &[&str]| {
        let (code, out, error) = served.call(arguments);
        assert_eq!(code, 0, "{arguments:?}: {error}");
        out
    };
    let first = document(&served, "first.toml", DEMO);
    assert!(done(&["apply", "-f", &first]).contains("demo version 1"), "a new profile is not asked about");
    let lower = document(&served, "lower.toml", &DEMO.replace("60/min", "30/min"));
    let (code, out, error) = served.call(&["apply", "-f", &lower]);
    assert!(code == 2 && out.is_empty(), "{code} {out}");
    for words in ["Lowers limits:", "before: 60/min", "not a terminal", "--yes", "lower.toml:"] {
        assert!(error.contains(words), "{words}: {error}");
    }
    let dry = done(&["apply", "--dry-run", "-f", &lower]);
    assert!(dry.starts_with("demo is valid\n") && dry.contains("Lowers limits:"), "{dry}");
    assert!(done(&["apply", "--yes", "--comment", "half", "-f", &lower]).contains("demo version 2"));
    let versions = done(&["profile", "versions", "demo"]);
    assert!(versions.lines().count() == 3 && versions.contains("half"), "{versions}");
    let listed: serde_json::Value =
        serde_json::from_str(&done(&["profile", "versions", "demo", "--output", "json"])).unwrap();
    assert_eq!(listed["versions"][0]["comment"], "half");
    assert!(done(&["profile", "show", "demo", "--version", "1"]).contains("60/min"));
    assert!(done(&["profile", "get", "demo", "--version-number", "2"]).contains("30/min"), "former words");
    let diff = done(&["profile", "diff", &first]);
    assert!(diff.contains("demo: 1 change from version 2") && diff.contains("Raises limits:"), "{diff}");
    assert!(done(&["profile", "diff", &first, "--against", "1"]).contains("no change"));
    let (code, _, error) = served.call(&["profile", "rollback", "demo"]);
    assert!(code == 2 && error.contains("Raises limits:") && error.contains("--yes"), "{code} {error}");
    assert!(done(&["profile", "rollback", "demo", "--dry-run", "--output", "json"]).contains("LIMIT_RAISED"));
    assert!(done(&["profile", "rollback", "demo", "--yes"]).contains("demo version 3"));
    assert_eq!(served.call(&["profile", "rollback", "demo", "--to", "9", "--yes"]).0, 2);
    let (code, _, error) = served.call(&["profile", "rollback", "demo", "--to", "0", "--yes"]);
    assert!(code == 2 && error.contains("--to"), "0 does not stand for the version before: {error}");
    assert_eq!(served.call(&["profile", "versions", "none"]).0, 5);
    served.end();
}

#[test]
fn a_change_that_takes_keys_away_needs_force() {
    let served = TestServer::start();
    let done = |arguments: &[&str]| {
        let (code, out, error) = served.call(arguments);
        assert_eq!(code, 0, "{arguments:?}: {error}");
        out
    };
    let first = document(&served, "first.toml", DEMO);
    done(&["apply", "-f", &first]);
    done(&["tenant", "create", "acme", "--profile", "demo"]);
    done(&["key", "create", "--tenant", "acme", "--name", "report-job", "--scope", "things.read"]);
    let moved = document(&served, "moved.toml", &DEMO.replace("demo_live_", "d2_live_"));
    let (code, _, error) = served.call(&["apply", "--yes", "-f", &moved]);
    assert_eq!(code, 7, "{error}");
    for words in
        ["Stops working:", "(needs --force)", "1 key\n", "report-job  (acme)", "--force", "nothing was"]
    {
        assert!(error.contains(words), "{words}: {error}");
    }
    let (code, _, error) = served.call(&["apply", "--force", "-f", &moved]);
    assert!(code == 2 && error.contains("--yes"), "it is asked about all the same: {code} {error}");
    let applied = done(&["apply", "--force", "--yes", "-f", &moved, "--output", "json"]);
    let applied: serde_json::Value = serde_json::from_str(&applied).unwrap();
    assert_eq!((&applied["version"], &applied["diff"]["requiresForce"]), (&"2".into(), &true.into()));
    assert_eq!(applied["diff"]["changes"][0]["impacts"][0]["count"], 1);
    served.end();
}

#[test]
fn none_of_several_documents_is_applied_if_one_is_invalid() {
    let served = TestServer::start();
    let first = document(&served, "first.toml", DEMO);
    let other = document(&served, "other.toml", &DEMO.replace("name = \"demo\"", "name = \"other\""));
    let wrong = document(&served, "wrong.toml", "name = \"wrong\"\n[credential\n");
    let (code, out, error) = served.call(&["apply", "--yes", "-f", &first, "-f", &wrong, "-f", &other]);
    assert!(code == 2 && out.is_empty(), "{code} {out}");
    assert!(error.contains("nothing was applied") && error.contains("wrong.toml:"), "{error}");
    let (_, listed, _) = served.call(&["profile", "list", "--output", "json"]);
    assert!(!listed.contains("\"demo\""), "{listed}");
    let (code, out, error) = served.call(&["apply", "--yes", "-f", &first, "-f", &other]);
    assert!(code == 0 && out.contains("demo version 1") && out.contains("other version 1"), "{error}");
    served.end();
}

#[test]
fn two_documents_are_compared_without_a_server() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    write("old.toml", DEMO);
    write("new.toml", &DEMO.replace("scopes = [\"things.write\"]", "public = true"));
    write("other.toml", &DEMO.replace("name = \"demo\"", "name = \"other\""));
    let run = |words: &[&str]| {
        let output = latchkey(folder.path()).args(["profile", "diff"]).args(words).output().unwrap();
        (output.status.code(), text(&output.stdout), text(&output.stderr))
    };
    let (code, out, error) = run(&["old.toml", "new.toml"]);
    assert_eq!(code, Some(0), "{error}");
    assert!(out.contains("Grants more:\n  - calls of `POST /things` pass without a credential"), "{out}");
    assert!(out.contains("; not counted: calls without a credential have no key or user"), "{out}");
    assert!(error.contains("no keys, users or tenants are counted"), "{error}");
    assert!(run(&["old.toml", "new.toml", "--output", "json"]).1.contains("GRANTS_MORE"));
    let (code, _, error) = run(&["old.toml", "other.toml"]);
    assert!(code == Some(2) && error.contains("profile other"), "{error}");
    assert_eq!(run(&["old.toml", "new.toml", "--against", "1"]).0, Some(2));
}

#[test]
fn lint_fails_for_warnings_only_where_it_is_strict() {
    let folder = tempfile::tempdir().unwrap();
    let wrong = DEMO.replace("methods = [\"GET\"]", "methods = [\"GTE\"]");
    std::fs::write(folder.path().join("wrong.toml"), wrong).unwrap();
    let run = |words: &[&str]| {
        let output =
            latchkey(folder.path()).args(["profile", "lint", "wrong.toml"]).args(words).output().unwrap();
        (output.status.code(), text(&output.stdout))
    };
    let (code, out) = run(&[]);
    assert!(
        code == Some(0) && out.contains("warning: routes[0].methods[0]") && out.contains("nearest is GET"),
        "{out}"
    );
    assert_eq!(run(&["--strict"]).0, Some(2));
}
