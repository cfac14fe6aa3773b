//! Rate classes and buckets: owners, rates, algorithms, and limits that replace them.

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
[[routes]]
path = "/window"
rate_class = "window"
[[routes]]
path = "/shared"
rate_class = "shared"
[[routes]]
path = "/place"
rate_class = "place"
[[routes]]
path = "/free"
rate_class = "free"
[rate_limits]
default = [{ per = "key", rate = "4/h" }, { per = "ip", rate = "3/h", when = "unauthenticated" }]
window = [{ per = "key", rate = "2/h", algorithm = "fixed_window" }]
shared = [{ per = "tenant", rate = "3/h" }, { per = "key", rate = "2/h" }]
place = [{ per = "ip", rate = "2/10min" }]
free = []
[[plans]]
name = "big"
rate_limits = { default = [{ per = "key", rate = "9/h", burst = 7 }] }
[response_headers]
x-bucket = "{{ rate_limit.bucket }}"
x-limit = "{{ rate_limit.limit }}"
x-left = "{{ rate_limit.remaining }}"
"#;

fn passed(kiosk: &Product, path: &str, value: &str, more: &[(&str, &str)]) -> usize {
    let call = format!("GET {path}");
    let headers = [&[("x-key", value)], more].concat();
    (0..12).take_while(|_| kiosk.send(&call, &headers).status == 200).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_class_has_its_buckets() {
    let kiosk = Product::of(DOCUMENT).await;
    let (_, one) = kiosk.operator.plain_key("acme", "").await;
    let (_, two) = kiosk.operator.plain_key("acme", "").await;
    assert_eq!([passed(&kiosk, "/a", &one, &[]), passed(&kiosk, "/b", &two, &[])], [4, 4]);
    assert_eq!(passed(&kiosk, "/window", &one, &[]), 2);
    assert_eq!([passed(&kiosk, "/shared", &one, &[]), passed(&kiosk, "/shared", &two, &[])], [2, 1]);
    assert_eq!(passed(&kiosk, "/free", &one, &[]), 12);
    let (here, there) = (("x-forwarded-for", "203.0.113.1"), ("x-forwarded-for", "203.0.113.2"));
    assert_eq!(passed(&kiosk, "/place", &one, &[here]), 2);
    assert_eq!(passed(&kiosk, "/place", &two, &[here]), 0, "an address is everyone's who comes from it");
    assert_eq!(passed(&kiosk, "/place", &one, &[there]), 2);
    let limited = kiosk.send("GET /a", &[("x-key", &one)]);
    let wait: u64 = limited.header("retry-after").and_then(|text| text.parse().ok()).expect("seconds");
    assert!(limited.status == 429 && (1..=3_600).contains(&wait), "{limited:?}");
    assert_eq!(limited.header("content-type"), Some("application/problem+json"));
    assert_eq!((limited.header("x-bucket"), limited.header("x-left")), (Some("key/default"), Some("0")));
}

#[tokio::test(flavor = "multi_thread")]
async fn failed_attempts_are_limited_by_address() {
    let kiosk = Product::of(DOCUMENT).await;
    let (_, good) = kiosk.operator.plain_key("acme", "").await;
    let bad = format!("ko_{}", "a".repeat(43));
    let here = ("x-forwarded-for", "203.0.113.9");
    let statuses: Vec<u16> = (0..5).map(|_| kiosk.send("GET /a", &[("x-key", &bad), here]).status).collect();
    assert_eq!(statuses, [401, 401, 401, 429, 429]);
    let elsewhere = kiosk.send("GET /a", &[("x-key", &bad), ("x-forwarded-for", "203.0.113.10")]);
    assert_eq!(elsewhere.status, 401);
    assert_eq!(
        kiosk.send("GET /a", &[("x-key", &good), here]).status,
        200,
        "a good key is no failed attempt"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn plans_tenants_and_keys_replace_buckets() {
    let kiosk = Product::of(DOCUMENT).await;
    let limits = |text: &str| HashMap::from([("default".to_owned(), text.to_owned())]);
    let _ = kiosk.operator.tenant("planned", "kiosk", "big").await;
    let ask = v1::CreateTenantRequest {
        slug: "own".to_owned(),
        profile: "kiosk".to_owned(),
        rate_limits: limits("key 20000/min burst 6; tenant 50000/min burst 8"),
        ..v1::CreateTenantRequest::default()
    };
    kiosk.operator.tenants().create_tenant(ask).await.expect("a tenant with limits of its own");
    let (_, planned) = kiosk.operator.plain_key("planned", "").await;
    let (_, own) = kiosk.operator.plain_key("own", "").await;
    let mut ask = key("acme", "");
    ask.rate_limits = limits("300/min burst 5");
    let (_, keyed) = kiosk.operator.key(ask).await;
    for (value, limit, left) in [(planned, "9", "6"), (own, "20000", "5"), (keyed, "300", "4")] {
        let answer = kiosk.send("GET /a", &[("x-key", &value)]);
        let shown = (answer.header("x-limit"), answer.header("x-left"));
        assert_eq!(shown, (Some(limit), Some(left)), "the limit is the rate's: {answer:?}");
        assert_eq!(answer.header("x-bucket"), Some("key/default"));
    }
}
