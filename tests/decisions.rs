//! Tests of the decision log of a running server: the content of a line, the decisions that are logged,
//! rotation, and a pipe without a reader.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::Command;

use latchkey_proto::envoy::auth::attribute_context::{HttpRequest, Request as HttpPart};
use latchkey_proto::envoy::auth::{AttributeContext, CheckRequest as EnvoysRequest, CheckResponse};
use latchkey_proto::v1::{BatchCheckRequest, CheckRequest, Decision};
use latchkey_testing::{Caller, Folder, Latchkey, Setup, Signal, eventually};
use serde_json::Value;

const SHOP: &str = r#"
name = "shop"
[credential]
sources = ["header:x-api-key", "header:authorization Bearer", "query:api_key", "cookie:session"]
conflict = "deny"
[[kinds]]
name = "secret"
default = true
prefixes = { live = "sk_live_" }
default_scopes = ["read", "write"]
[[scopes]]
name = "read"
[[scopes]]
name = "write"
[[scopes]]
name = "export"
enforce = "shadow"
[[routes]]
methods = ["GET"]
path = "/v1/items/{id}"
scopes = ["read"]
[[routes]]
path = "/v1/exports"
scopes = ["export"]
[[routes]]
path = "/v1/writes"
scopes = ["write"]
"#;

/// A product whose decisions are logged to a file.
struct Shop {
    latchkey: Latchkey,
    operator: Caller,
    folder: Folder,
}

impl Shop {
    async fn open(settings: &[(&str, &str)]) -> Self {
        let folder = Folder::new("decisions");
        let path = folder.path().join("decisions.jsonl").display().to_string();
        let setup = Setup::default().environment("LATCHKEY_DECISION_LOG", &path);
        let setup = settings.iter().fold(setup, |setup, (name, value)| setup.environment(name, value));
        let (latchkey, operator) = setup.open("shop", SHOP, &["acme"]).await;
        Self { latchkey, operator, folder }
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("decisions.jsonl")
    }

    async fn value(&self) -> (String, String) {
        let (made, value) = self.operator.scoped_key("acme", &["read"]).await;
        (made.id, value)
    }

    /// Waits for a number of lines and returns them.
    fn lines(&self, count: usize) -> Vec<Value> {
        eventually("the lines are written", || {
            let lines = lines(&std::fs::read_to_string(self.file()).unwrap_or_default());
            assert!(lines.len() <= count, "more than {count}: {lines:#?}");
            (lines.len() == count).then_some(lines)
        })
    }

    /// Sends a Check as Envoy does.
    async fn ask(&self, path: &str, headers: &[(&str, &str)]) -> CheckResponse {
        let http = HttpRequest {
            method: "GET".to_owned(),
            path: path.to_owned(),
            host: "api.shop.dev".to_owned(),
            headers: headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
            ..HttpRequest::default()
        };
        let request = Some(HttpPart { http: Some(http), time: None });
        let attributes = Some(AttributeContext { request, ..AttributeContext::default() });
        let answer = self.operator.envoy().check(EnvoysRequest { attributes }).await;
        answer.expect("an answer").into_inner()
    }
}

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{line:?}"))).collect()
}

fn native(value: &str, path: &str) -> CheckRequest {
    CheckRequest {
        credential: value.to_owned(),
        profile: "shop".to_owned(),
        method: "GET".to_owned(),
        path: path.to_owned(),
        ..CheckRequest::default()
    }
}

const EVERYTHING: [(&str, &str); 1] = [("LATCHKEY_DECISION_LOG_ALLOWED_RATIO", "1")];

#[tokio::test(flavor = "multi_thread")]
async fn each_field_says_what_was_seen() {
    let shop = Shop::open(&EVERYTHING).await;
    let (id, value) = shop.value().await;
    let sent = [("x-api-key", value.as_str()), ("x-request-id", "r-1")];
    let _ = shop.ask("/v1/items/7", &sent).await;
    let _ = shop.ask("/v1/writes", &sent).await;
    let lines = shop.lines(2);
    let names = |line: &Value| line.as_object().expect("an object").keys().cloned().collect::<BTreeSet<_>>();
    let always = [
        "time",
        "entrypoint",
        "request_id",
        "envoy_request_id",
        "decision",
        "reason",
        "enforced",
        "profile",
        "tenant",
        "tenant_id",
        "key_id",
        "by_token",
        "route",
        "method",
        "source",
        "latency_us",
        "revision",
    ];
    assert_eq!(names(&lines[0]), always.map(str::to_owned).into());
    let (allowed, denied) = (&lines[0], &lines[1]);
    for (name, expected) in [
        ("entrypoint", "ext_authz"),
        ("envoy_request_id", "r-1"),
        ("decision", "ALLOW"),
        ("reason", "OK"),
        ("profile", "shop"),
        ("tenant", "acme"),
        ("key_id", &id),
        ("route", "/v1/items/{id}"),
        ("method", "GET"),
        ("source", "database"),
    ] {
        assert_eq!(allowed[name], expected, "{name}");
    }
    assert_eq!((&allowed["enforced"], &allowed["by_token"]), (&true.into(), &false.into()));
    assert!(allowed["latency_us"].is_u64() && allowed["revision"].is_u64());
    assert!(allowed["time"].as_str().expect("a time").parse::<prost_types::Timestamp>().is_ok());
    assert_eq!((&denied["decision"], &denied["reason"]), (&"DENY".into(), &"INSUFFICIENT_SCOPE".into()));
    assert_eq!((&denied["missing_scopes"], &denied["source"]), (&"write".into(), &"cache".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_passes_in_shadow_is_logged_as_a_denial_that_was_not_enforced() {
    let shop = Shop::open(&[]).await;
    let (id, value) = shop.value().await;
    let answer = shop.latchkey.anonymous().check(native(&value, "/v1/exports")).await;
    assert_eq!(answer.decision(), Decision::Allow);
    let _ = shop.latchkey.anonymous().check(native(&value, "/v1/items/1")).await;
    let _ = shop.latchkey.anonymous().check(native("", "/v1/items/1")).await;
    let lines = shop.lines(2);
    let output =
        |line: &Value| [&line["decision"], &line["reason"], &line["enforced"]].map(ToString::to_string);
    assert_eq!(output(&lines[0]), [r#""DENY""#, r#""INSUFFICIENT_SCOPE""#, "false"]);
    assert_eq!((&lines[0]["key_id"], &lines[0]["missing_scopes"]), (&id.into(), &"export".into()));
    assert_eq!(output(&lines[1]), [r#""DENY""#, r#""MISSING_CREDENTIAL""#, "true"]);
    assert!(lines[1].get("tenant").is_none() && lines[1].get("key_id").is_none());
    assert_eq!(lines[1]["entrypoint"], "native");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_line_holds_a_credential_a_query_or_a_header() {
    let shop = Shop::open(&EVERYTHING).await;
    let (_, value) = shop.value().await;
    let (other, long) = ("sk_live_not_a_key_at_all", "x".repeat(5_000));
    let bearer = format!("Bearer {value}");
    let cookie = format!("session={value}; a=cookie-of-mine");
    let query = format!("/v1/items/secret-in-the-path?api_key={value}&note=query-of-mine");
    let asked: [(&str, Vec<(&str, &str)>); 7] = [
        ("/v1/items/1", vec![("x-api-key", &value), ("x-note", "header-of-mine")]),
        ("/v1/items/1", vec![("authorization", &bearer)]),
        ("/v1/items/1", vec![("cookie", &cookie), ("user-agent", "agent-of-mine")]),
        (&query, vec![]),
        ("/v1/items/1", vec![("x-api-key", other)]),
        ("/v1/items/1", vec![("x-api-key", &value), ("authorization", "Bearer sk_live_two")]),
        ("/v1/items/1", vec![("x-api-key", &value), ("x-request-id", &long)]),
    ];
    for (path, headers) in &asked {
        let _ = shop.ask(path, headers).await;
    }
    let lines = shop.lines(asked.len());
    let text = std::fs::read_to_string(shop.file()).expect("the log can be read");
    for secret in [&*value, other, "sk_live", "of-mine", "secret-in-the-path", "api_key", &long] {
        assert!(!text.contains(secret), "{secret}: {lines:#?}");
    }
    assert!(lines[6].get("envoy_request_id").is_none(), "it is no identifier");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_file_that_was_moved_away_is_created_again() {
    let shop = Shop::open(&[]).await;
    let ask = async || shop.latchkey.anonymous().check(native("", "/v1/items/1")).await;
    let _ = ask().await;
    let _ = shop.lines(1);
    let old = shop.folder.path().join("decisions.jsonl.1");
    std::fs::rename(shop.file(), &old).expect("it can be moved");
    // A log rotation may send SIGHUP; the process continues.
    shop.latchkey.signal(Signal::HUP);
    let _ = ask().await;
    let _ = shop.lines(1);
    assert_eq!(lines(&std::fs::read_to_string(&old).expect("it is there")).len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn standard_output_holds_lines_of_json_and_what_is_off_holds_none() {
    for (target, count) in [("stdout", 1), ("off", 0)] {
        let shop = Shop::open(&[("LATCHKEY_DECISION_LOG", target), ("RUST_LOG", "off")]).await;
        let _ = shop.latchkey.anonymous().check(native("", "/v1/items/1")).await;
        shop.latchkey.signal(Signal::TERM);
        assert!(shop.latchkey.wait().success());
        let log = shop.latchkey.log();
        let output = log.lines().filter(|line| line.contains("MISSING_CREDENTIAL")).count();
        assert_eq!(output, count, "{log}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn half_of_the_allowed_calls_are_logged_with_a_ratio_of_one_half() {
    let shop = Shop::open(&[
        ("LATCHKEY_DECISION_LOG_ALLOWED_RATIO", "0.5"),
        ("LATCHKEY_DECISION_LOG_DENIED_RATIO", "0"),
    ])
    .await;
    let (_, value) = shop.value().await;
    let check = native(&value, "/v1/items/1");
    let checks = vec![check; 1_000];
    let _ = shop.operator.checks().batch_check(BatchCheckRequest { checks }).await.expect("answers");
    let _ = shop.latchkey.anonymous().check(native("", "/v1/items/1")).await;
    shop.latchkey.signal(Signal::TERM);
    assert!(shop.latchkey.wait().success(), "what is queued is written at the end");
    let lines = lines(&std::fs::read_to_string(shop.file()).expect("the log can be read"));
    assert!((350..650).contains(&lines.len()), "{}", lines.len());
    assert!(lines.iter().all(|line| line["decision"] == "ALLOW"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pipe_that_is_not_read_delays_no_call_and_has_the_number_of_dropped_lines() {
    let folder = Folder::new("pipe");
    let pipe = folder.path().join("decisions.fifo");
    assert!(Command::new("mkfifo").arg(&pipe).status().expect("mkfifo is there").success());
    let path = pipe.display().to_string();
    let latchkey = Setup::default().profile("shop", SHOP).environment("LATCHKEY_DECISION_LOG", &path).start();
    let caller = latchkey.anonymous();
    for _ in 0..10 {
        let checks = vec![native("", "/v1/items/1"); 1_000];
        let answer = caller.checks().batch_check(BatchCheckRequest { checks }).await.expect("answers");
        assert_eq!(answer.into_inner().results.len(), 1_000);
    }
    let reading = std::thread::spawn(move || {
        let reader = BufReader::new(File::open(pipe).expect("the pipe opens"));
        let mut noted = 0_u64;
        for line in reader.lines().map_while(Result::ok) {
            let line: Value = serde_json::from_str(&line).expect("a line of JSON");
            match line["dropped"].as_u64() {
                Some(dropped) => return (noted, dropped),
                None => noted += 1,
            }
        }
        (noted, 0)
    });
    let (noted, dropped) = reading.join().expect("it is read");
    // Lines that were queued after the report of the loss follow it.
    assert!(noted >= 1 && dropped >= 10_000 - 8_192 - 2 && noted + dropped <= 10_000, "{noted} {dropped}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unusable_log_and_a_wrong_ratio_prevent_the_start() {
    for (name, value, words) in [
        ("LATCHKEY_DECISION_LOG", "/nowhere/at/all.jsonl", "decision_log"),
        ("LATCHKEY_AUDIT_ANCHOR", "/nowhere/at/anchors", "audit_anchor"),
        ("LATCHKEY_DECISION_LOG_ALLOWED_RATIO", "2", "decision_log_allowed_ratio"),
        ("LATCHKEY_DECISION_LOG_DENIED_RATIO", "most", "decision_log_denied_ratio"),
    ] {
        let latchkey = Setup::default().environment(name, value).launch();
        assert_eq!(latchkey.wait().code(), Some(2), "{name}");
        assert!(latchkey.log().contains(words), "{name}: {}", latchkey.log());
    }
}
