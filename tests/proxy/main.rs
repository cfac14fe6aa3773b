//! Attacks of a client through a real Envoy, against a small product for this test: forged identities,
//! duplicate credentials, non-canonical paths, outages, a revocation under load.

mod credentials;
mod identity;
mod outages;
mod paths;
mod routes;
mod sources;
mod upstreams;

use latchkey_testing::{Answer, Caller, Envoy, EnvoySetup, Latchkey, Request, Setup};

const HOST: &str = "api.fixture.dev";

/// A product whose credential can be anywhere, with a public route and one for administrators.
const GATE: &str = r#"
name = "gate"
unmatched_routes = "deny"

[credential]
sources = ["header:x-api-key", "header:authorization Bearer", "query:api_key", "cookie:api_key", "body:/auth/key"]
conflict = "deny"

[resource]
merchant = "header:x-merchant-id"

[[kinds]]
name = "secret"
default = true
prefixes = { live = "gk_live_", test = "gk_test_" }
secret = "hex:32"
default_scopes = ["read"]

[[scopes]]
name = "read"
[[scopes]]
name = "admin"

[[routes]]
path = "/v1/open/**"
public = true
[[routes]]
path = "/v1/admin/**"
scopes = ["admin"]
[[routes]]
methods = ["GET", "POST"]
path = "/v1/items/**"
scopes = ["read"]

[rate_limits]
default = [{ per = "key", rate = "10000/min" }]
narrow = [{ per = "key", rate = "1/h" }]

[upstream_headers]
x-tenant-id = "{{ tenant.slug }}"
x-key-id = "{{ subject.id }}"
x-team = "{{ metadata.team }}"
x-merchant-id = "{{ bindings.merchant }}"
"#;

/// The product with one tenant, `acme`.
struct ProxyFixture {
    latchkey: Latchkey,
    envoy: Envoy,
    operator: Caller,
}

impl ProxyFixture {
    async fn open(raw_headers: bool) -> Self {
        Self::with(EnvoySetup { raw_headers, ..EnvoySetup::default() }).await
    }

    async fn with(setup: EnvoySetup) -> Self {
        let (latchkey, operator) = Setup::default().open("gate", GATE, &["acme"]).await;
        let envoy = Envoy::start(latchkey.grpc(), &setup);
        Self { latchkey, envoy, operator }
    }

    async fn value(&self) -> String {
        self.operator.plain_key("acme", "live").await.1
    }

    async fn administrator(&self) -> String {
        self.operator.scoped_key("acme", &["admin", "read"]).await.1
    }

    fn send(&self, request: &Request) -> Answer {
        self.envoy.send(request)
    }

    /// Returns a GET with a key in the header.
    fn get(&self, path: &str, key: &str) -> Answer {
        self.send(&get(path).header("x-api-key", key))
    }
}

fn get(path: &str) -> Request {
    Request::get(HOST, path)
}
