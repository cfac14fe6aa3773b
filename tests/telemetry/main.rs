//! What the process tells of itself, from outside: counts that are exact, labels that don't grow, a dashboard and
//! alerts that ask for nothing that isn't there, and traces that join Envoy's.

mod collector;
mod connections;
mod counts;
mod files;
mod outages;
mod prometheus;
mod queries;
mod scrape;
mod traces;

use latchkey_proto::v1::{CheckRequest, CheckResponse, CreateKeyRequest, Key};
use latchkey_testing::{Caller, Latchkey, Setup, key};

pub(crate) const SHOP: &str = r#"
name = "shop"
[credential]
sources = ["header:x-api-key", "header:authorization Bearer"]
[[kinds]]
name = "secret"
default = true
prefixes = { live = "sk_live_", test = "sk_test_" }
[[scopes]]
name = "items.read"
[[scopes]]
name = "items.write"
[[routes]]
methods = ["GET"]
path = "/v1/items"
scopes = ["items.read"]
[[routes]]
methods = ["POST"]
path = "/v1/items"
scopes = ["items.write"]
[[routes]]
path = "/v1/tried"
enforce = "shadow"
[rate_limits]
default = [{ per = "key", rate = "10000/min" }]
[[roles]]
name = "clerk"
scopes = ["items.read"]
[jwt]
issuer = "https://shop.example.dev"
audience = "shop"
ttl = "1h"
refresh_ttl = "30d"
"#;

/// A product and its tenant `acme`.
pub(crate) struct Shop {
    pub(crate) latchkey: Latchkey,
    pub(crate) operator: Caller,
}

impl Shop {
    /// Its memory is trusted for a minute, however slow the machine.
    pub(crate) async fn open(setup: Setup) -> Self {
        let latchkey = setup.profile("shop", SHOP).environment("LATCHKEY_LEASE", "60s").start();
        let operator = latchkey.operator();
        let _ = operator.tenant("acme", "shop", "").await;
        Self { latchkey, operator }
    }

    /// A key that may read.
    pub(crate) async fn key(&self, tenant: &str) -> (Key, String) {
        let ask = CreateKeyRequest { scopes: vec!["items.read".to_owned()], ..key(tenant, "live") };
        self.operator.key(ask).await
    }

    pub(crate) async fn check(&self, value: &str, method: &str) -> CheckResponse {
        self.latchkey.stranger().check(call(value, method)).await
    }
}

/// A call of `/v1/items`.
pub(crate) fn call(value: &str, method: &str) -> CheckRequest {
    CheckRequest {
        credential: value.to_owned(),
        profile: "shop".to_owned(),
        method: method.to_owned(),
        path: "/v1/items".to_owned(),
        ..CheckRequest::default()
    }
}
