//! Tests of shadow mode: the operator's report, on both databases and over two replicas, and, through a real
//! Envoy, the calls that pass and their identity.

mod through;
mod tokens;

use latchkey_proto::v1::{CheckRequest, CheckResponse, Decision, GetShadowReportRequest, Reason, ShadowLine};
use latchkey_testing::{Caller, Database, Latchkey, ProfileBuilder, Setup, eventually_async, on_both};
use tonic::Code;

/// A product with one scope and one route in shadow.
const TRIAL: &str = r#"
name = "trial"
[credential]
sources = ["header:x-api-key"]
[[kinds]]
name = "secret"
default = true
prefixes = { live = "tk_live_" }
[[scopes]]
name = "api_keys.manage"
[[scopes]]
name = "read"
[[scopes]]
name = "export"
enforce = "shadow"
[[routes]]
methods = ["GET"]
path = "/v1/items"
scopes = ["read"]
[[routes]]
methods = ["POST"]
path = "/v1/exports"
scopes = ["export"]
[[routes]]
path = "/v1/tried"
scopes = ["read"]
enforce = "shadow"
[[routes]]
path = "/v1/verify"
[[routes]]
path = "/v1/open"
public = true
[[endpoints]]
method = "GET"
path = "/v1/verify"
rpc = "Check"
answer = '{"tenant":"{{ answer.principal.tenant_slug }}"}'
[[endpoints]]
method = "GET"
path = "/v1/open"
rpc = "Check"
answer = '{"tenant":"{{ answer.principal.tenant_slug }}"}'
[jwt]
issuer = "https://trial.example.dev"
audience = "trial"
ttl = "1h"
refresh_ttl = "30d"
[upstream_headers]
x-tenant-id = "{{ tenant.slug }}"
x-key-id = "{{ subject.id }}"
"#;

/// Returns the product's document; with `whole`, the whole profile is in shadow.
fn document(whole: bool) -> String {
    let fixture = ProfileBuilder::from_document(TRIAL);
    if whole { fixture.add("enforce", "shadow").build() } else { fixture.build() }
}

/// The product with a tenant, `acme`, on one of the databases.
struct ShadowFixture {
    latchkey: Latchkey,
    operator: Caller,
}

impl ShadowFixture {
    async fn open(database: Database, whole: bool) -> Self {
        let (latchkey, operator) =
            settings(database.setup()).open("trial", &document(whole), &["acme"]).await;
        Self { latchkey, operator }
    }

    async fn key(&self, scopes: &[&str]) -> (String, String) {
        let (made, value) = self.operator.scoped_key("acme", scopes).await;
        (made.id, value)
    }

    async fn check(&self, value: &str, method: &str, path: &str) -> CheckResponse {
        self.latchkey.anonymous().check(call(value, method, path)).await
    }
}

/// Sets a short flush interval, so that calls are reported soon.
fn settings(setup: Setup) -> Setup {
    setup.environment("LATCHKEY_USAGE_FLUSH_INTERVAL", "100ms")
}

fn call(value: &str, method: &str, path: &str) -> CheckRequest {
    CheckRequest {
        credential: value.to_owned(),
        profile: "trial".to_owned(),
        method: method.to_owned(),
        path: path.to_owned(),
        ..CheckRequest::default()
    }
}

/// Waits for a report with a number of calls and returns it.
async fn report(operator: &Caller, ask: GetShadowReportRequest, calls: u64) -> Vec<ShadowLine> {
    eventually_async("the calls are in the report", async || {
        let answer = operator.shadow().get_shadow_report(ask.clone()).await.expect("a report is returned");
        let lines = answer.into_inner().lines;
        (lines.iter().map(|line| line.calls).sum::<u64>() >= calls).then_some(lines)
    })
    .await
}

/// Tenant, subject, route, reason and number of calls.
type Short<'a> = (&'a str, &'a str, &'a str, Reason, &'a str, u64);

fn short(lines: &[ShadowLine]) -> Vec<Short<'_>> {
    lines.iter().map(of).collect()
}

fn of(line: &ShadowLine) -> Short<'_> {
    let ShadowLine { tenant_slug, subject_id, route, detail, .. } = line;
    (tenant_slug, subject_id, route, line.reason(), detail, line.calls)
}

async fn the_report_names_the_keys_and_reasons_of_shadow_denials(database: Database) {
    let fixture = ShadowFixture::open(database, false).await;
    let (id, value) = fixture.key(&["read"]).await;
    for _ in 0..3 {
        let answer = fixture.check(&value, "POST", "/v1/exports").await;
        assert_eq!((answer.decision(), answer.reason()), (Decision::Allow, Reason::Ok));
        assert_eq!(answer.shadow.expect("it says so").reason(), Reason::InsufficientScope);
    }
    for _ in 0..2 {
        assert_eq!(fixture.check("", "GET", "/v1/tried").await.decision(), Decision::Allow);
    }
    let denied = fixture.check("", "POST", "/v1/exports").await;
    assert_eq!(denied.reason(), Reason::MissingCredential, "a scope in shadow lets nobody in");
    assert_eq!(fixture.check(&value, "GET", "/v1/items").await.shadow, None);
    let lines = report(&fixture.operator, GetShadowReportRequest::default(), 5).await;
    let expected = [
        ("acme", id.as_str(), "POST /v1/exports", Reason::InsufficientScope, "export", 3),
        ("", "", "/v1/tried", Reason::MissingCredential, "", 2),
    ];
    assert_eq!(short(&lines), expected);
    assert_eq!((lines[0].profile.as_str(), lines[0].subject_name.as_str()), ("trial", "api-server"));
    assert!(lines.iter().all(|line| line.last_time.is_some()));
    let of = |tenant: &str| GetShadowReportRequest { tenant: tenant.to_owned(), ..Default::default() };
    assert_eq!(report(&fixture.operator, of("acme"), 3).await.len(), 1);
    let gone = fixture.operator.shadow().get_shadow_report(of("nobody")).await.expect_err("there is none");
    assert_eq!(gone.code(), Code::NotFound);
    let text = fixture.latchkey.cli_text(&["shadow", "report", "--profile", "trial"]);
    assert!(text.contains("INSUFFICIENT_SCOPE: export") && text.contains("unknown"), "{text}");
    assert!(text.contains(&id) && !text.contains(&value), "{text}");
    let json = fixture.latchkey.cli_text(&["shadow", "report", "--tenant", "acme", "--output", "json"]);
    let json: serde_json::Value = serde_json::from_str(&json).expect("an object");
    assert_eq!(
        (&json["lines"][0]["calls"], &json["lines"][0]["route"]),
        (&"3".into(), &"POST /v1/exports".into())
    );
    let none = fixture.latchkey.cli_text(&["shadow", "report", "--tenant", "latchkey"]);
    assert_eq!(none.trim(), "nothing would have been denied");
    let unknown = fixture.latchkey.cli(&["shadow", "report", "--profile", "other"]);
    let error = String::from_utf8_lossy(&unknown.stderr);
    assert!(error.contains("no such profile") && !unknown.status.success(), "{error}");
    let ask = GetShadowReportRequest { profile: "other".to_owned(), ..of("acme") };
    let unknown = fixture.operator.shadow().get_shadow_report(ask).await.expect_err("no such profile");
    assert_eq!(unknown.code(), Code::InvalidArgument, "{unknown:?}");
}

async fn a_revoked_key_passes_in_shadow_and_manages_nothing(database: Database) {
    let fixture = ShadowFixture::open(database, true).await;
    let (id, value) = fixture.key(&["read", "api_keys.manage"]).await;
    let _ = fixture.operator.revoke(&id).await;
    let answer = fixture.check(&value, "GET", "/v1/items").await;
    assert_eq!((answer.decision(), answer.principal), (Decision::Allow, None));
    let shadow = answer.shadow.expect("it says so");
    assert_eq!((shadow.reason(), shadow.sender.expect("who").subject_id), (Reason::Revoked, id.clone()));
    let caller = fixture.latchkey.caller(&value);
    let ask = GetShadowReportRequest::default();
    let refused = caller.shadow().get_shadow_report(ask.clone()).await.expect_err("it is revoked");
    assert_eq!(refused.code(), Code::Unauthenticated);
    let (_, keeper) = fixture.key(&["api_keys.manage"]).await;
    let refused =
        fixture.latchkey.caller(&keeper).shadow().get_shadow_report(ask).await.expect_err("not its own");
    assert_eq!(refused.code(), Code::PermissionDenied);
    let lines = report(&fixture.operator, GetShadowReportRequest::default(), 1).await;
    assert_eq!(short(&lines), [("acme", id.as_str(), "GET /v1/items", Reason::Revoked, "", 1)]);
}

on_both!(
    the_report_names_the_keys_and_reasons_of_shadow_denials,
    a_revoked_key_passes_in_shadow_and_manages_nothing,
);

#[tokio::test(flavor = "multi_thread")]
async fn the_report_of_either_replica_has_the_shadow_denials_of_both() {
    let ShadowFixture { latchkey: one, .. } = ShadowFixture::open(Database::PostgreSql, false).await;
    let two = settings(Setup::default().database(one.database())).profile("trial", &document(false)).start();
    for latchkey in [&one, &two, &two] {
        let answer = latchkey.anonymous().check(call("", "GET", "/v1/tried")).await;
        assert_eq!(answer.decision(), Decision::Allow);
    }
    for latchkey in [&one, &two] {
        let lines = report(&latchkey.operator(), GetShadowReportRequest::default(), 3).await;
        assert_eq!(short(&lines), [("", "", "/v1/tried", Reason::MissingCredential, "", 3)]);
    }
}
