//! Client address of a call to a product's endpoint at Latchkey's HTTP port: it follows the same rule as a Check of
//! Envoy if the document lists the Envoy that forwards the call, and no header otherwise.

use latchkey_testing::{Latchkey, Request, Setup, key};

const DOCUMENT: &str = r#"
name = "kiosk"
[credential]
sources = ["header:x-key"]
[[kinds]]
name = "secret"
prefix = "ko_"
[[scopes]]
name = "api_keys.manage"
[[routes]]
path = "/keys"
scopes = ["api_keys.manage"]
[[endpoints]]
method = "GET"
path = "/keys"
rpc = "ListKeys"
item = '"{{ item.name }}"'
answer = "[{{ items }}]"
"#;

async fn kiosk(address: &str) -> (Latchkey, String) {
    let document = format!("{DOCUMENT}[client_address]\n{address}\n");
    let latchkey = Setup::default().profile("kiosk", &document).start();
    let operator = latchkey.operator();
    let _ = operator.tenant("acme", "kiosk", "").await;
    let mut ask = key("acme", "");
    ask.scopes = vec!["api_keys.manage".to_owned()];
    ask.allowed_networks = vec!["203.0.113.0/24".to_owned()];
    let (_, value) = operator.key(ask).await;
    (latchkey, value)
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_listed_envoy_gives_the_client_address_of_a_key_that_is_bound_to_networks() {
    // The tests' own address is 127.0.0.1; the header has the entry that an Envoy would have appended.
    let known = r#"envoys = ["127.0.0.0/8"]"#;
    let behind = "trusted_hops = 1\nenvoys = [\"127.0.0.1\"]";
    let edge = "header = \"x-client\"\nenvoys = [\"127.0.0.1\"]";
    let (forwarded, edged) = ("x-forwarded-for", "x-client");
    for (address, headers, status) in [
        (known, vec![(forwarded, "198.51.100.1, 203.0.113.7")], 200),
        (known, vec![(forwarded, "203.0.113.7, 198.51.100.1")], 403),
        (known, vec![], 403),
        (behind, vec![(forwarded, "203.0.113.7, 10.0.0.1")], 200),
        (behind, vec![(forwarded, "203.0.113.7, 198.51.100.1, 10.0.0.1")], 403),
        (edge, vec![(edged, "203.0.113.7"), (forwarded, "10.0.0.1")], 200),
        ("trusted_hops = 1", vec![(forwarded, "203.0.113.7")], 403),
        ("header = \"x-client\"", vec![(edged, "203.0.113.7")], 403),
        (r#"envoys = ["10.0.0.0/8"]"#, vec![(forwarded, "203.0.113.7")], 403),
    ] {
        let (latchkey, value) = kiosk(address).await;
        let request = Request::get("h", "/keys").header("x-key", &value);
        let request = headers.iter().fold(request, |request, (name, text)| request.header(name, text));
        let answer = request.send(latchkey.http());
        assert_eq!(answer.status, status, "{address} {headers:?} {answer:?}");
    }
}
