//! `latchkey operator` and `latchkey whoami` against a running server.

use std::os::unix::fs::PermissionsExt as _;

use crate::TestServer;

fn json(text: &str) -> serde_json::Value {
    serde_json::from_str(text).unwrap()
}

#[test]
fn an_operators_key_is_made_for_a_role_and_kept_in_a_file_of_its_owner() {
    let served = TestServer::start();
    let path = served.folder.path().join("ada.key");
    let file = path.display().to_string();
    let create = ["operator", "create", "--role", "support", "--name", "Ada", "--ttl", "90d"];
    let (code, out, error) = served.call(&[create.as_slice(), &["--secret-file", &file]].concat());
    assert_eq!(code, 0, "{error}");
    let value = std::fs::read_to_string(&path).unwrap();
    assert!(value.starts_with("lk_op_") && !out.contains(value.trim()), "{out}");
    assert!(error.contains("ada.key") && !error.contains(value.trim()), "{error}");
    assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    let who = |words: &[&str]| {
        let (code, out, error) = served.call(&[words, &["whoami", "--output", "json"]].concat());
        assert_eq!(code, 0, "{error}");
        json(&out)
    };
    let ada = who(&["--api-key", value.trim()]);
    assert_eq!(
        (&ada["name"], &ada["role"], &ada["operator"]),
        (&"Ada".into(), &"support".into(), &true.into())
    );
    assert!(ada["expireTime"].is_string(), "{ada}");
    assert_eq!(who(&[])["role"], "admin");
    let (code, out, _) = served.call(&["--api-key", value.trim(), "whoami"]);
    assert!(code == 0 && out.contains("support") && out.contains("Ada"), "{out}");
    let tenant = ["--api-key", value.trim(), "tenant", "create", "acme", "--profile", "demo"];
    let (code, _, error) = served.call(&tenant);
    assert!(code == 4 && error.contains("latchkey.support") && error.contains("latchkey.admin"), "{error}");
    let again = served.call(&[create.as_slice(), &["--secret-file", &file]].concat());
    assert!(again.0 == 1 && again.2.contains("exists"), "{again:?}");
    let listed = served.call(&["operator", "list"]).1;
    assert!(listed.contains("ROLE") && listed.matches("Ada").count() == 1, "{listed}");
    let id = ada["subjectId"].as_str().unwrap();
    assert_eq!(served.call(&["operator", "revoke", id, "--reason", "has left"]).0, 0);
    assert_eq!(served.call(&["--api-key", value.trim(), "whoami"]).0, 4);
    let active = json(&served.call(&["operator", "list", "--state", "active", "--output", "json"]).1);
    assert_eq!(active["keys"].as_array().unwrap().len(), 1, "{active}");
    served.end();
}

#[test]
fn the_value_of_an_operators_key_is_printed_only_with_an_option() {
    let served = TestServer::start();
    let create = ["operator", "create", "--role", "read", "--name", "wall"];
    let (code, out, error) = served.call(&create);
    assert!(code == 2 && out.is_empty() && error.contains("--secret-file"), "{error}");
    let listed = json(&served.call(&["operator", "list", "--output", "json"]).1);
    assert_eq!(listed["keys"].as_array().unwrap().len(), 1, "no key was made: {listed}");
    let only = served.call(&[create.as_slice(), &["--secret-only"]].concat());
    assert!(only.0 == 0 && only.1.starts_with("lk_op_") && only.1.lines().count() == 1, "{only:?}");
    let shown = served.call(&[create.as_slice(), &["--show-secret", "--output", "json"]].concat());
    assert!(json(&shown.1)["secret"].as_str().unwrap().starts_with("lk_op_"), "{shown:?}");
    let file = served.folder.path().join("new.key").display().to_string();
    let absent = served.call(&[create.as_slice(), &["--key-file", &file]].concat());
    assert_eq!(absent.0, 0, "a credential file that does not exist is made: {absent:?}");
    assert!(std::fs::read_to_string(&file).unwrap().starts_with("lk_op_"));
    let (code, _, error) = served.call(&["operator", "create", "--role", "root", "--name", "x"]);
    assert!(code == 2 && error.contains("read, support, admin"), "{error}");
    let folder = served.folder.path().join("none").join("key").display().to_string();
    let (code, _, error) = served.call(&[create.as_slice(), &["--secret-file", &folder]].concat());
    assert!(code == 1 && error.contains("no key was created"), "{error}");
    served.end();
}

#[test]
fn a_tenants_key_is_not_revoked_as_an_operators() {
    let served = TestServer::start();
    let demo = concat!(env!("CARGO_MANIFEST_DIR"), "/../../profiles/demo.toml");
    assert_eq!(served.call(&["apply", "-f", demo]).0, 0);
    assert_eq!(served.call(&["tenant", "create", "acme", "--profile", "demo"]).0, 0);
    let create = ["key", "create", "--tenant", "acme", "--name", "k", "--output", "json"];
    let made = json(&served.call(&create).1);
    let id = made["key"]["id"].as_str().unwrap();
    let (code, _, error) = served.call(&["operator", "revoke", id]);
    assert!(code == 2 && error.contains(&format!("latchkey key revoke {id}")), "{error}");
    served.end();
}
