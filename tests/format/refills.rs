//! Buckets that callers and key managers cannot refill: neither by failed attempts, nor by calls under another limit, a
//! change of a limit or plan, or the rotation of a key.

use std::collections::HashMap;

use latchkey_proto::v1;
use latchkey_testing::key;

use crate::Product;

const DOCUMENT: &str = r#"
name = "kiosk"
unmatched_routes = "authenticate"
[credential]
sources = ["header:x-key"]
[client_address]
trusted_hops = 1
[[kinds]]
name = "secret"
prefix = "ko_"
[[scopes]]
name = "api_keys.manage"
[[routes]]
path = "/place"
rate_class = "place"
[rate_limits]
default = [{ per = "key", rate = "6/h" }, { per = "ip", rate = "3/h", when = "unauthenticated" }]
place = [{ per = "ip", rate = "20/h" }, { per = "ip", rate = "2/h", when = "unauthenticated" }]
[[plans]]
name = "free"
rate_limits = { place = [{ per = "ip", rate = "1/h" }], default = [{ per = "key", rate = "30/min" }, { per = "key", rate = "3/h" }] }
[[plans]]
name = "paid"
rate_limits = { place = [{ per = "ip", rate = "10/h" }], default = [{ per = "key", rate = "9/h" }] }
[[plans]]
name = "daily"
rate_limits = { default = [{ per = "key", rate = "8/d" }] }
[[plans]]
name = "steady"
rate_limits = { default = [{ per = "key", rate = "50/s" }, { per = "key", rate = "8/d" }] }
[[plans]]
name = "slow"
rate_limits = { place = [{ per = "ip", rate = "4/h", burst = 4 }] }
[[plans]]
name = "fast"
rate_limits = { place = [{ per = "ip", rate = "1000/s", burst = 1000 }] }
"#;

const HERE: (&str, &str) = ("x-forwarded-for", "203.0.113.1");

fn passed(kiosk: &Product, path: &str, value: &str) -> usize {
    let call = format!("GET {path}");
    (0..60).take_while(|_| kiosk.send(&call, &[("x-key", value), HERE]).status == 200).count()
}

async fn limit(kiosk: &Product, id: &str, limit: &str) {
    let rate_limits = HashMap::from([("default".to_owned(), limit.to_owned())]);
    let key = Some(v1::Key { id: id.to_owned(), rate_limits, ..v1::Key::default() });
    let update_mask = Some(prost_types::FieldMask { paths: vec!["rate_limits".to_owned()] });
    let ask = v1::UpdateKeyRequest { key, update_mask };
    kiosk.operator.keys().update_key(ask).await.expect("a limit of its own");
}

async fn plan(kiosk: &Product, plan: &str) {
    let tenant = Some(v1::Tenant { slug: "acme".to_owned(), plan: plan.to_owned(), ..v1::Tenant::default() });
    let update_mask = Some(prost_types::FieldMask { paths: vec!["plan".to_owned()] });
    let ask = v1::UpdateTenantRequest { tenant, update_mask };
    kiosk.operator.tenants().update_tenant(ask).await.expect("another plan");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_attempt_does_not_refill_the_bucket_of_an_address() {
    let kiosk = Product::of(DOCUMENT).await;
    let (_, good) = kiosk.operator.plain_key("acme", "").await;
    let bad = format!("ko_{}", "a".repeat(43));
    assert_eq!(passed(&kiosk, "/place", &good), 20);
    for status in [401, 401, 429] {
        assert_eq!(kiosk.send("GET /place", &[("x-key", &bad), HERE]).status, status, "their own bucket");
        assert_eq!(passed(&kiosk, "/place", &good), 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_free_tenant_does_not_refill_the_bucket_of_a_paid_one_at_its_address() {
    let kiosk = Product::of(DOCUMENT).await;
    for slug in ["free", "paid"] {
        let _ = kiosk.operator.tenant(slug, "kiosk", slug).await;
    }
    let (_, free) = kiosk.operator.plain_key("free", "").await;
    let (_, paid) = kiosk.operator.plain_key("paid", "").await;
    assert_eq!(passed(&kiosk, "/place", &paid), 10);
    for _ in 0..3 {
        let _ = passed(&kiosk, "/place", &free);
        assert_eq!(passed(&kiosk, "/place", &paid), 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_with_a_higher_rate_does_not_refill_the_bucket_of_others_at_its_address() {
    let kiosk = Product::of(DOCUMENT).await;
    for slug in ["slow", "fast"] {
        let _ = kiosk.operator.tenant(slug, "kiosk", slug).await;
    }
    let (_, slow) = kiosk.operator.plain_key("slow", "").await;
    let (_, window) = kiosk.operator.plain_key("acme", "").await;
    let (_, fast) = kiosk.operator.plain_key("fast", "").await;
    assert_eq!(kiosk.send("GET /place", &[("x-key", &window), HERE]).status, 200);
    assert_eq!(passed(&kiosk, "/place", &slow), 3, "one of four is spent");
    for _ in 0..4 {
        assert_eq!(kiosk.send("GET /place", &[("x-key", &fast), HERE]).status, 200);
        assert_eq!(passed(&kiosk, "/place", &slow), 0);
    }
    assert_eq!(passed(&kiosk, "/place", &window), 12, "20 an hour, of which eight are spent");
    assert_eq!(kiosk.send("GET /place", &[("x-key", &fast), HERE]).status, 200);
    assert_eq!(passed(&kiosk, "/place", &window), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_is_narrowed_and_widened_gets_no_more() {
    let kiosk = Product::of(DOCUMENT).await;
    let (key, value) = kiosk.operator.plain_key("acme", "").await;
    let mut sum = passed(&kiosk, "/a", &value);
    for limits in ["1/h", "6/h", "1/min", "6/h", "2/h burst 1", "6/h"] {
        limit(&kiosk, &key.id, limits).await;
        sum += passed(&kiosk, "/a", &value);
    }
    assert_eq!(sum, 6);
    limit(&kiosk, &key.id, "8/h").await;
    assert_eq!(passed(&kiosk, "/a", &value), 2, "a wider limit has room for the difference");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_of_the_plan_and_a_rotation_keep_what_was_spent() {
    let kiosk = Product::of(DOCUMENT).await;
    let (old, value) = kiosk.operator.key(key("acme", "")).await;
    assert_eq!(passed(&kiosk, "/a", &value), 6);
    for (name, more) in [("free", 0), ("paid", 3), ("free", 0), ("", 0), ("paid", 0)] {
        plan(&kiosk, name).await;
        assert_eq!(passed(&kiosk, "/a", &value), more, "plan {name:?}");
    }
    let overlap = Some(prost_types::Duration { seconds: 600, nanos: 0 });
    let mut id = old.id;
    for _ in 0..2 {
        let ask = v1::RotateKeyRequest { id, overlap, expiry: None };
        let rotated = kiosk.operator.keys().rotate_key(ask).await.expect("a successor").into_inner();
        assert_eq!(passed(&kiosk, "/a", &rotated.secret), 0, "a successor continues the bucket");
        id = rotated.key.expect("the new key").id;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_with_another_rule_besides_does_not_refill_the_one_that_both_have() {
    let kiosk = Product::of(DOCUMENT).await;
    let (_, value) = kiosk.operator.plain_key("acme", "").await;
    plan(&kiosk, "daily").await;
    assert_eq!(passed(&kiosk, "/a", &value), 8);
    for name in ["steady", "daily", "steady"] {
        plan(&kiosk, name).await;
        assert_eq!(passed(&kiosk, "/a", &value), 0, "plan {name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_of_the_class_does_not_refill_a_limit_of_a_key() {
    let kiosk = Product::of(DOCUMENT).await;
    let (key, value) = kiosk.operator.plain_key("acme", "").await;
    limit(&kiosk, &key.id, "5/d").await;
    assert_eq!(passed(&kiosk, "/a", &value), 5);
    let document = DOCUMENT.replace(r#""6/h""#, r#""6/5min""#);
    let ask = v1::ApplyProfileRequest { document, ..v1::ApplyProfileRequest::default() };
    let _ = kiosk.operator.profiles().apply_profile(ask).await.expect("another period");
    assert_eq!(passed(&kiosk, "/a", &value), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_that_a_key_manager_sets_does_not_outlive_the_plan() {
    let kiosk = Product::of(DOCUMENT).await;
    plan(&kiosk, "paid").await;
    let (_, manager) = kiosk.operator.scoped_key("acme", &["api_keys.manage"]).await;
    let rate_limits = HashMap::from([("default".to_owned(), "9/h".to_owned())]);
    let ask = v1::CreateKeyRequest { rate_limits, ..key("", "") };
    let (pinned, value) = kiosk.latchkey.caller(&manager).key(ask).await;
    assert_eq!(pinned.rate_limits_beside_others, ["default"]);
    plan(&kiosk, "").await;
    assert_eq!(passed(&kiosk, "/a", &value), 6, "the class has 6/h");
    limit(&kiosk, &pinned.id, "9/h").await;
    assert_eq!(passed(&kiosk, "/a", &value), 3, "the limit of an operator replaces that of the class");
    let ask = v1::GetKeyRequest { id: pinned.id };
    let shown = kiosk.operator.keys().get_key(ask).await.expect("the key").into_inner();
    assert_eq!(shown.rate_limits_beside_others, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn headers_of_unknown_limits_are_left_out() {
    let headers = "\n[response_headers]\nx-limit = \"{{ rate_limit.limit }}\"\n\
                   x-both = \"{{ rate_limit.remaining }} of {{ rate_limit.limit }}\"\n\
                   x-or = '{{ rate_limit.limit | default(\"none\") }}'\n";
    for (setting, unknown) in [("omit", None), ("full", Some("6"))] {
        let document = DOCUMENT.replacen(
            "[credential]",
            &format!("unknown_rate_limits = \"{setting}\"\n[credential]"),
            1,
        );
        let kiosk = Product::of(&format!("{document}{headers}")).await;
        let answer = kiosk.send("GET /a", &[]);
        assert_eq!((answer.status, answer.header("x-limit")), (401, unknown));
        assert_eq!(answer.header("x-both"), unknown.map(|_| "6 of 6"));
        assert_eq!(answer.header("x-or"), Some(unknown.unwrap_or("none")));
        let (_, value) = kiosk.operator.plain_key("acme", "").await;
        let answer = kiosk.send("GET /a", &[("x-key", &value)]);
        assert_eq!((answer.header("x-limit"), answer.header("x-both")), (Some("6"), Some("5 of 6")));
    }
}
