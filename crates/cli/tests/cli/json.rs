//! `--output json` of every command: JSON that a program can parse, or a reason why there is none.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;

use crate::{TestServer, latchkey, run, text};

pub(crate) const DOCUMENT: &str = r#"name = "shop"
[credential]
sources = ["header:x-api-key"]
[[kinds]]
name = "secret"
default = true
prefixes = { live = "sk_live_", test = "sk_test_" }
hashes = ["hmac-sha256:old"]
[[kinds]]
name = "page"
prefixes = { live = "pk_live_", test = "pk_test_" }
retrievable = true
[[scopes]]
name = "read"
[[routes]]
path = "/things"
scopes = ["read"]
[[roles]]
name = "clerk"
scopes = ["read"]
[jwt]
algorithm = "EdDSA"
issuer = "https://shop.example"
audience = "shop"
[passwords]
min_length = 8
[[examples]]
name = "passes"
request = "GET /things"
headers = { x-api-key = "{{ key }}" }
as = { scopes = ["read"] }
expect = { status = 200 }
"#;

/// Commands without JSON, each with a word of its error text.
const NO_JSON: [(&str, &str); 5] = [
    ("serve", "log_format"),
    ("dev", "paste"),
    ("envoy-config shop.toml", "YAML"),
    ("completions bash", "script"),
    ("man .", "pages"),
];

/// Commands that the program has, as its help lists them; groups are not commands.
fn commands(group: &[&str]) -> BTreeSet<String> {
    let help = text(&run(&[group, &["--help"]].concat()).stdout);
    let listed = help.split_once("\nCommands:\n").map_or("", |(_, rest)| rest);
    let names = listed.lines().take_while(|line| !line.is_empty());
    let names = names.filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    let names: Vec<&str> = names.filter_map(|line| line.split_whitespace().next()).collect();
    if names.is_empty() {
        return BTreeSet::from([group.join(" ")]);
    }
    let inner = names.iter().filter(|name| **name != "help");
    inner.flat_map(|name| commands(&[group, &[*name]].concat())).collect()
}

/// A server, and the commands that have printed JSON.
struct Session {
    served: TestServer,
    done: Vec<String>,
}

impl Session {
    /// Runs a command with `--output json`, and returns what it printed.
    fn json(&mut self, line: &str) -> Value {
        let words: Vec<&str> = line.split(' ').chain(["--output", "json"]).collect();
        let (code, out, error) = self.served.call(&words);
        self.done.push(line.to_owned());
        assert_eq!(code, 0, "{line}: {error}");
        serde_json::from_str(&out).unwrap_or_else(|wrong| panic!("{line}: {wrong}: {out}"))
    }

    /// Writes a file in the folder that commands run in.
    fn file(&self, name: &str, text: &str) {
        std::fs::write(self.served.folder.path().join(name), text).unwrap();
    }
}

fn id(value: &Value) -> String {
    value["id"].as_str().unwrap_or_else(|| panic!("no id in {value}")).to_owned()
}

fn profiles_and_tenants(session: &mut Session) {
    session.file("shop.toml", DOCUMENT);
    session.file("next.toml", &DOCUMENT.replace("min_length = 8", "min_length = 9"));
    session.file("old.txt", "sesame");
    assert_eq!(session.json("apply -f shop.toml")["name"], "shop");
    session.json("apply --yes -f next.toml");
    for line in ["list", "show shop", "versions shop", "diff shop.toml", "diff shop.toml next.toml"] {
        session.json(&format!("profile {line}"));
    }
    session.json("profile rollback shop --yes");
    let linted = session.json("profile lint shop.toml");
    assert!(linted["valid"] == 1 && linted["findings"].is_array(), "{linted}");
    let tested = session.json("profile test shop.toml");
    assert!(tested["failed"] == 0 && tested["examples"][0]["name"] == "passes", "{tested}");
    session.json("profile secret set shop old --file old.txt");
    assert_eq!(session.json("profile secret list")["secrets"][0]["name"], "old");
    session.json("profile secret delete shop old --yes");
    session.file("gone.toml", &DOCUMENT.replace("shop", "gone"));
    session.json("apply -f gone.toml");
    session.json("profile delete gone --yes");
    session.json("tenant create acme --profile shop");
    session.json("tenant create bank --profile shop");
    for line in ["get acme", "list", "update acme --display-name A", "suspend acme", "resume acme"] {
        session.json(&format!("tenant {line}"));
    }
    session.json("tenant delete bank --yes");
}

fn keys_and_operators(session: &mut Session) {
    let made = session.json("key create --tenant acme --name a --scope read");
    let (first, value) = (id(&made["key"]), made["secret"].as_str().unwrap().to_owned());
    session.json("key create --tenant acme --name p --kind page");
    for line in ["get", "usage"] {
        session.json(&format!("key {line} {first}"));
    }
    session.json("key list --tenant acme");
    session.json("key publishable --tenant acme");
    session.json(&format!("check {value} --method GET --path /things"));
    session.json(&format!("key update {first} --name b"));
    let rotated = session.json(&format!("key rotate {first} --ttl 90d --yes"));
    let next = id(&rotated["key"]);
    assert!(rotated["key"]["expireTime"].is_string(), "{rotated}");
    session.json(&format!("key disable {next}"));
    session.json(&format!("key revoke {next}"));
    session.json(&format!("key delete {next} --yes"));
    session.file("keys.csv", &format!("name,value\nmoved,sk_live_{}\n", "a".repeat(43)));
    session.json("key import keys.csv --tenant acme --dry-run");
    session.json("key import keys.csv --tenant acme");
    let operator = session.json("operator create --role read --name wall --show-secret");
    session.json("operator list");
    session.json(&format!("operator revoke {}", id(&operator["key"])));
    session.json("whoami");
}

fn users_and_tokens(session: &mut Session) {
    session.file("password", "the sea at night, 1815");
    let user =
        id(&session.json("user create ada@example.dev --role clerk --tenant acme --password-file password"));
    session.json("user list --tenant acme");
    let issued = session.json("jwt issue --email ada@example.dev --tenant acme --password-file password");
    session.file("access", issued["accessToken"].as_str().unwrap());
    session.file("refresh", issued["refreshToken"].as_str().unwrap());
    let inspected = session.json("jwt inspect --token-file access");
    assert!(inspected["header"]["alg"] == "EdDSA" && inspected["claims"]["aud"] == "shop", "{inspected}");
    session.json("jwt refresh --token-file refresh");
    session.json("jwt revoke --token-file refresh");
    session.json(&format!("user update {user} --disabled false"));
    session.json(&format!("user set-password {user} --password-file password"));
    session.json(&format!("user disable {user}"));
    session.json(&format!("user delete {user} --yes"));
    session.json("signing-key list");
    let keys = session.json("signing-key rotate shop --lead 1h");
    session.json(&format!("signing-key withdraw {} --yes", id(&keys["keys"][0])));
}

fn log_and_server(session: &mut Session) {
    session.json("audit list");
    session.json("audit verify");
    session.json("shadow report");
    session.json("usage");
    let ready = session.json(&format!("health --timeout 60 --http-addr {}", session.served.http));
    assert_eq!(ready["status"], "ready");
    // One object a line, so that a log of any length can be read line by line.
    let (code, out, error) = session.served.call(&["audit", "export", "--output", "json"]);
    assert_eq!(code, 0, "{error}");
    assert!(out.lines().count() > 10 && out.lines().all(|line| line.parse::<Value>().is_ok()), "{out}");
    session.done.push("audit export".to_owned());
    let (_, out, error) = session.served.call(&["doctor", "--output", "json"]);
    assert!(out.parse::<Value>().is_ok_and(|found| found["findings"].is_array()), "{out} {error}");
    session.done.push("doctor".to_owned());
}

/// Runs the commands that work on a database without a server.
fn database(folder: &Path, done: &mut Vec<String>) {
    let mut json = |line: &str| -> Value {
        let mut command = latchkey(folder);
        let output = command.args(line.split(' ')).args(["--output", "json"]).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{line}: {}", text(&output.stderr));
        done.push(line.to_owned());
        let out = text(&output.stdout);
        serde_json::from_str(&out).unwrap_or_else(|wrong| panic!("{line}: {wrong}: {out}"))
    };
    assert_eq!(json("migrate up")["newerMigrations"], Value::Array(Vec::new()));
    let status = json("migrate status");
    assert_eq!((&status["migrations"][0]["state"], &status["conflict"]), (&"applied".into(), &Value::Null));
    assert!(json("rewrap")["values"].as_array().is_some_and(|values| !values.is_empty()));
    assert_eq!(json("migrate down --discard-data")["reverted"], 1);
}

#[test]
fn every_command_that_prints_data_prints_json() {
    let mut session = Session { served: TestServer::start(), done: Vec::new() };
    profiles_and_tenants(&mut session);
    keys_and_operators(&mut session);
    users_and_tokens(&mut session);
    log_and_server(&mut session);
    let Session { mut served, mut done } = session;
    served.stop();
    database(served.folder.path(), &mut done);
    for (line, reason) in NO_JSON {
        let words: Vec<&str> = line.split(' ').chain(["--output", "json"]).collect();
        let (code, out, error) = served.call(&words);
        assert!(code == 2 && out.is_empty(), "{line}: {code} {out}");
        assert!(error.contains(reason) && error.contains("leave --output json out"), "{line}: {error}");
        done.push(line.to_owned());
    }
    let is_done =
        |command: &String| done.iter().any(|line| format!("{line} ").starts_with(&format!("{command} ")));
    let all = commands(&[]);
    assert!(all.len() > 50, "{all:?}");
    let missing: Vec<&String> = all.iter().filter(|command| !is_done(command)).collect();
    assert!(missing.is_empty(), "commands without a test of --output json: {missing:?}");
}

#[test]
fn findings_of_documents_are_json_with_their_places() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("bad.toml"), "name = \"Q\"\nx = 1\n").unwrap();
    let broken = DOCUMENT.replace("status = 200", "status = 401");
    std::fs::write(folder.path().join("broken.toml"), broken).unwrap();
    let json = |words: &[&str], code: i32| -> Value {
        let output = latchkey(folder.path()).args(words).args(["--output", "json"]).output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{}", text(&output.stderr));
        text(&output.stdout).parse().unwrap()
    };
    let found = json(&["profile", "lint", "bad.toml"], 2);
    let first = &found["findings"][0];
    assert_eq!(
        (&found["invalid"], &first["severity"], &first["line"]),
        (&1.into(), &"error".into(), &1.into())
    );
    assert_eq!((&first["file"], &first["field"]), (&"bad.toml".into(), &"name".into()));
    let failed = json(&["profile", "test", "broken.toml"], 1);
    assert!(failed["failed"] == 1 && !failed["examples"][0]["failures"][0].is_null(), "{failed}");
}
