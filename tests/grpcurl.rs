//! Use of grpcurl by server reflection alone, with no .proto file.

use latchkey_testing::{Grpcurl, GrpcurlOutput, Latchkey, ROOT_KEY, Setup};
use serde_json::{Value, json};

const NOTES: &str = r#"
name = "notes"
[credential]
sources = ["header:x-api-key"]
[[kinds]]
name = "secret"
default = true
prefixes = { live = "note_live_", test = "note_test_" }
secret = "hex:32"
"#;

fn notes() -> (Latchkey, Grpcurl) {
    let latchkey = Setup::default().profile("notes", NOTES).start();
    let operator = Grpcurl::new(latchkey.grpc()).header(&format!("authorization: Bearer {ROOT_KEY}"));
    let tenant = json!({ "slug": "acme", "displayName": "Acme", "profile": "notes" });
    let _ = operator.call("latchkey.v1.TenantService/CreateTenant", &tenant).json();
    (latchkey, operator)
}

fn detail<'a>(status: &'a Value, name: &str) -> &'a Value {
    let details = status["details"].as_array().unwrap_or_else(|| panic!("no details in {status}"));
    let found = details.iter().find(|detail| detail["@type"].as_str().is_some_and(|t| t.ends_with(name)));
    found.unwrap_or_else(|| panic!("no {name} in {status}"))
}

#[test]
fn reflection_lists_every_service() {
    let (latchkey, _) = notes();
    let stranger = Grpcurl::new(latchkey.grpc());
    let list = stranger.reflect(&["list"]);
    assert!(list.ok, "{}", list.err);
    let services = [
        "envoy.service.auth.v3.Authorization",
        "grpc.health.v1.Health",
        "latchkey.v1.AuditService",
        "latchkey.v1.CheckService",
        "latchkey.v1.KeyService",
        "latchkey.v1.ProfileService",
        "latchkey.v1.TenantService",
        "latchkey.v1.TokenService",
    ];
    for service in services {
        assert!(list.out.lines().any(|line| line == service), "{service} is not in\n{}", list.out);
        let output = stranger.reflect(&["describe", service]);
        assert!(output.ok && output.out.contains("rpc "), "{service}: {output:?}");
    }
}

#[test]
fn every_service_is_healthy() {
    let (latchkey, _) = notes();
    let stranger = Grpcurl::new(latchkey.grpc());
    for service in
        ["", "latchkey.v1.CheckService", "latchkey.v1.KeyService", "envoy.service.auth.v3.Authorization"]
    {
        let answer = stranger.call("grpc.health.v1.Health/Check", &json!({ "service": service })).json();
        assert_eq!(answer["status"], "SERVING", "{service}");
    }
    let unknown: GrpcurlOutput =
        stranger.call("grpc.health.v1.Health/Check", &json!({ "service": "nonsense" }));
    assert_eq!(unknown.status()["code"], 5);
}

#[test]
fn a_key_is_created_and_revoked_by_grpcurl() {
    let (latchkey, operator) = notes();
    let made =
        operator.call("latchkey.v1.KeyService/CreateKey", &json!({ "tenant": "acme", "name": "cli" })).json();
    let (id, secret) = (&made["key"]["id"], &made["secret"]);
    assert!(secret.as_str().is_some_and(|secret| secret.starts_with("note_live_")), "{made}");
    let list = operator.call("latchkey.v1.KeyService/ListKeys", &json!({ "tenant": "acme" }));
    assert_eq!(&list.json()["keys"][0]["id"], id);
    assert!(!list.out.contains(secret.as_str().expect("a secret")));
    let stranger = Grpcurl::new(latchkey.grpc());
    let ask = json!({ "credential": secret, "scopesOnly": true });
    let check = || stranger.call("latchkey.v1.CheckService/Check", &ask).json();
    assert_eq!(check()["decision"], "DECISION_ALLOW");
    let revoke = json!({ "id": id, "reason": "left" });
    let gone = operator.call("latchkey.v1.KeyService/RevokeKey", &revoke).json();
    assert_eq!(gone["key"]["state"], "KEY_STATE_REVOKED");
    let answer = check();
    assert_eq!((&answer["decision"], &answer["reason"]), (&json!("DECISION_DENY"), &json!("REASON_REVOKED")));
}

#[test]
fn errors_say_what_to_correct() {
    let (latchkey, operator) = notes();
    let stranger = Grpcurl::new(latchkey.grpc());
    let status = stranger.call("latchkey.v1.KeyService/ListKeys", &json!({})).status();
    assert_eq!(status["code"], 16);
    assert_eq!(detail(&status, "google.rpc.ErrorInfo")["domain"], "latchkey");
    let wrong = json!({ "tenant": "acme", "name": "", "environment": "moon", "scopes": ["nonsense"] });
    let status = operator.call("latchkey.v1.KeyService/CreateKey", &wrong).status();
    assert_eq!(status["code"], 3);
    assert!(
        detail(&status, "google.rpc.ErrorInfo")["reason"].as_str().is_some_and(|reason| !reason.is_empty())
    );
    let violations = &detail(&status, "google.rpc.BadRequest")["fieldViolations"];
    let fields: Vec<&str> =
        violations.as_array().into_iter().flatten().filter_map(|v| v["field"].as_str()).collect();
    for field in ["name", "environment", "scopes[0]"] {
        assert!(fields.contains(&field), "{field} is not in {fields:?}");
    }
    let status = operator.call("latchkey.v1.KeyService/GetKey", &json!({ "id": "nonsense" })).status();
    assert!(status["code"] == 5 || status["code"] == 3, "{status}");
}
