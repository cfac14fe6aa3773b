//! Hosts: the first one that matches selects the environment.

use latchkey_testing::Echo;

use crate::Product;

const DOCUMENT: &str = r#"
name = "kiosk"
unmatched_routes = "authenticate"
[[hosts]]
host = "test.example.dev"
environment = "test"
[[hosts]]
host = "*.example.dev"
environment = "live"
[[hosts]]
host = "*"
environment = "dev"
[credential]
sources = ["header:x-key"]
[[kinds]]
name = "secret"
prefixes = { live = "ko_live_", test = "ko_test_", dev = "ko_dev_" }
[upstream_headers]
x-environment = "{{ environment }}"
"#;

#[tokio::test(flavor = "multi_thread")]
async fn the_first_host_that_matches_decides_the_environment() {
    let kiosk = Product::of(DOCUMENT).await;
    let mut keys = Vec::new();
    for environment in ["test", "live", "dev"] {
        keys.push((environment, kiosk.operator.plain_key("acme", environment).await.1));
    }
    for (host, environment) in [
        ("test.example.dev", "test"),
        ("TEST.example.dev:8443", "test"),
        ("api.example.dev", "live"),
        ("a.b.example.dev", "live"),
        ("example.dev", "dev"),
        ("localhost", "dev"),
    ] {
        for (of, value) in &keys {
            let answer = kiosk.at(host, "GET /a", &[("x-key", value)]);
            if *of == environment {
                assert_eq!(Echo::of(&answer).all("x-environment"), [environment], "{host}");
            } else {
                assert_eq!(answer.status, 401, "{host} {of}");
            }
        }
    }
}
