//! A product that is not shipped: its document is enough to serve it.

use latchkey_testing::{Echo, Envoy, EnvoySetup, Setup, key};

use crate::Product;

#[tokio::test(flavor = "multi_thread")]
async fn a_product_that_nobody_has_seen_works_by_its_document() {
    let latchkey = Setup::default().profile("octo", include_str!("octo.toml")).start();
    let operator = latchkey.operator();
    let _ = operator.tenant("octocat", "octo", "").await;
    let envoy = Envoy::start(latchkey.grpc(), &EnvoySetup::default());
    let octo = Product { host: "api.octo.example", envoy, operator, latchkey };
    let mut ask = key("octocat", "");
    ask.scopes = vec!["repo".to_owned()];
    let (_, value) = octo.operator.key(ask).await;
    assert!(value.starts_with("ghp_") && value.len() == 40);
    for scheme in ["token", "Bearer"] {
        let answer = octo.send("GET /repos/octo/hello", &[("authorization", &format!("{scheme} {value}"))]);
        assert_eq!(answer.header("x-oauth-scopes"), Some("repo"));
        assert_eq!(Echo::of(&answer).all("x-octo-actor"), ["octocat"]);
    }
    let hidden = octo.send("GET /orgs/octo", &[("authorization", &format!("token {value}"))]);
    assert_eq!((hidden.status, hidden.json()["message"].as_str()), (404, Some("Not Found")));
    assert_eq!(octo.send("GET /zen", &[]).status, 200);
    assert_eq!(octo.send("GET /user", &[]).json()["message"], "Requires authentication");
}
