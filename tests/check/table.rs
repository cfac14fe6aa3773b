//! The approved table of decisions: the state of a credential against the kind of target. A difference is a
//! change of policy, and is visible in a review.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::path::Path;

use latchkey_proto::v1::create_key_request::Expiry;
use latchkey_proto::v1::{CheckRequest, CreateKeyRequest, Key, SuspendTenantRequest, UpdateKeyRequest};
use latchkey_testing::{eventually, field_mask, key, scoped};

use crate::{CheckFixture, call, pair};

/// Creates a credential in each state, and returns them with the names of the states.
async fn credentials(fixture: &CheckFixture) -> Vec<(&'static str, String)> {
    let operator = &fixture.operator;
    let (revoked, revoked_value) = operator.plain_key("acme", "live").await;
    let _ = operator.revoke(&revoked.id).await;
    let (off, off_value) = operator.plain_key("acme", "live").await;
    let change = UpdateKeyRequest {
        key: Some(Key { id: off.id, disabled: true, ..Key::default() }),
        update_mask: Some(field_mask(&["disabled"])),
    };
    operator.keys().update_key(change).await.expect("disabled");
    let _ = operator.tenant("closed", "fixture", "").await;
    let closed = operator.plain_key("closed", "live").await.1;
    let suspend = SuspendTenantRequest { tenant: "closed".to_owned(), reason: "unpaid".to_owned() };
    operator.tenants().suspend_tenant(suspend).await.expect("suspended");
    let soon = Expiry::Ttl(prost_types::Duration { seconds: 1, nanos: 0 });
    let expired = operator.key(CreateKeyRequest { expiry: Some(soon), ..key("acme", "live") }).await.1;
    let bound = CreateKeyRequest { bindings: pair("merchant", "m_1"), ..key("acme", "live") };
    let networked =
        CreateKeyRequest { allowed_networks: vec!["10.0.0.0/8".to_owned()], ..key("acme", "live") };
    let spent = CreateKeyRequest {
        rate_limits: HashMap::from([("default".to_owned(), "1/h".to_owned())]),
        ..key("acme", "live")
    };
    let spent = operator.key(spent).await.1;
    let _ = fixture.check(call(&spent, "GET", "/items/1")).await;
    let table = vec![
        ("none", String::new()),
        ("malformed", "lab_live_x".to_owned()),
        ("unknown", format!("lab_live_{}", "0".repeat(64))),
        ("a JWT", "eyJhbGciOiJub25lIn0.eyJzdWIiOiJ4In0.".to_owned()),
        ("reader", operator.plain_key("acme", "live").await.1),
        ("writer", operator.key(scoped("acme", &["write"])).await.1),
        ("test key", operator.plain_key("acme", "test").await.1),
        ("bound to m_1", operator.key(bound).await.1),
        ("of 10.0.0.0/8", operator.key(networked).await.1),
        ("badge", operator.key(CreateKeyRequest { kind: "badge".to_owned(), ..key("acme", "live") }).await.1),
        ("spent", spent),
        ("revoked", revoked_value),
        ("disabled", off_value),
        ("expired", expired.clone()),
        ("of a suspended tenant", closed),
    ];
    wait_for_expiry(fixture, &expired);
    table
}

fn wait_for_expiry(fixture: &CheckFixture, value: &str) {
    let runtime = tokio::runtime::Handle::current();
    tokio::task::block_in_place(|| {
        eventually("the key expires", || {
            let ask = CheckRequest { dry_run: true, ..call(value, "GET", "/items/1") };
            let answer = runtime.block_on(fixture.check(ask));
            (answer.reason().as_str_name() == "REASON_EXPIRED").then_some(())
        });
    });
}

fn targets(value: &str) -> Vec<(&'static str, CheckRequest)> {
    let get = |path: &str| CheckRequest { dry_run: true, ..call(value, "GET", path) };
    let item = || get("/items/1");
    vec![
        ("public route", get("/open/page")),
        ("read", item()),
        ("write", CheckRequest { method: "POST".to_owned(), ..get("/items") }),
        ("merchant m_1", get("/merchants/m_1/x")),
        ("merchant m_2", get("/merchants/m_2/x")),
        ("badges alone", get("/badges/1")),
        ("unknown route", get("/nowhere")),
        ("unsafe path", get("/open/..;/items/1")),
        ("encoded dots", get("/open/%2e%2e/items/1")),
        ("no route given", CheckRequest { method: String::new(), ..get("") }),
        ("scopes alone", CheckRequest { scopes_only: true, ..get("") }),
        ("public and a scope", CheckRequest { scopes: vec!["write".to_owned()], ..get("/open/page") }),
        ("unknown environment", CheckRequest { environment: "moon".to_owned(), ..item() }),
        ("long request id", CheckRequest { request_id: "r".repeat(129), ..item() }),
        ("live", CheckRequest { environment: "live".to_owned(), ..item() }),
        ("own tenant named", CheckRequest { tenant: "acme".to_owned(), ..item() }),
        ("other tenant named", CheckRequest { tenant: "other".to_owned(), ..item() }),
        ("from 10.1.1.1", CheckRequest { source_ip: "10.1.1.1".to_owned(), ..item() }),
        ("unknown scope", CheckRequest { scopes: vec!["nothing".to_owned()], ..item() }),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn every_credential_gets_the_approved_answer_from_every_target() {
    let fixture = CheckFixture::open().await;
    let mut table = String::new();
    for (state, value) in credentials(&fixture).await {
        for (target, ask) in targets(&value) {
            let answer = fixture.check(ask).await;
            let reason = answer.reason().as_str_name().trim_start_matches("REASON_");
            writeln!(table, "{state:<22} {target:<19} {reason}").expect("a string takes text");
        }
        table.push('\n');
    }
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/decisions.txt");
    if std::env::var_os("LATCHKEY_APPROVE").is_some() {
        std::fs::write(&file, &table).expect("the table can be written");
    }
    let approved = std::fs::read_to_string(&file).expect("there is an approved table");
    let lines = table.lines().zip(approved.lines());
    let changed: Vec<_> =
        lines.filter(|(now, then)| now != then).map(|(now, then)| format!("-{then}\n+{now}")).collect();
    assert!(changed.is_empty(), "decisions differ from those approved:\n{}", changed.join("\n"));
    assert_eq!(table.lines().count(), approved.lines().count(), "rows were added or taken away");
}
