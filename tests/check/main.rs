//! Tests of the native Check, called as a service calls it: every reason, the steps of `explain`, exact
//! buckets, and the approved table of every credential against every kind of target.

mod buckets;
mod explain;
mod reasons;
mod table;

use std::collections::HashMap;

use latchkey_proto::v1::{CheckRequest, CheckResponse, Decision, Reason};
use latchkey_testing::{Caller, Latchkey, Setup};

/// A product that uses every feature that a decision can depend on.
const LAB: &str = r#"
name = "fixture"
unmatched_routes = "deny"

[credential]
sources = ["header:x-api-key"]

[tenant]
source = "header:x-tenant-id"
required = false

[resource]
merchant = "header:x-merchant-id"

[request_id]
prefix = "lab_"

[[kinds]]
name = "secret"
default = true
prefixes = { live = "lab_live_", test = "lab_test_" }
secret = "hex:32"
default_scopes = ["read"]

[[kinds]]
name = "badge"
prefix = "badge-"
secret = "base62:24"
checksum = true
default_scopes = ["read", "write", "read.deep"]

[[scopes]]
name = "read"
aliases = ["view"]
[[scopes]]
name = "write"
[[scopes]]
name = "read.deep"

[[routes]]
methods = ["GET"]
path = "/items/{id}"
scopes = ["read"]
[[routes]]
methods = ["POST"]
path = "/items"
scopes = ["write"]
rate_class = "writing"
[[routes]]
path = "/merchants/{id}/**"
resource = { merchant = "{id}" }
any_scopes = ["read", "write"]
[[routes]]
path = "/badges/**"
kinds = ["badge"]
[[routes]]
path = "/open/**"
public = true

[rate_limits]
default = [{ per = "key", rate = "100/h" }, { per = "tenant", rate = "1000/h" }]
writing = [{ per = "key", rate = "10/h", burst = 4 }]
"#;

/// The fixture with one tenant, `acme`.
struct CheckFixture {
    latchkey: Latchkey,
    operator: Caller,
}

impl CheckFixture {
    async fn open() -> Self {
        let (latchkey, operator) = Setup::default().open("fixture", LAB, &["acme"]).await;
        Self { latchkey, operator }
    }

    async fn value(&self) -> String {
        self.operator.plain_key("acme", "live").await.1
    }

    async fn check(&self, ask: CheckRequest) -> CheckResponse {
        self.operator.check(ask).await
    }
}

fn ask(credential: &str) -> CheckRequest {
    CheckRequest { credential: credential.to_owned(), scopes_only: true, ..CheckRequest::default() }
}

/// Returns a Check of a GET of an item.
fn get(credential: &str) -> CheckRequest {
    call(credential, "GET", "/items/1")
}

fn call(credential: &str, method: &str, path: &str) -> CheckRequest {
    CheckRequest {
        method: method.to_owned(),
        path: path.to_owned(),
        profile: "fixture".to_owned(),
        scopes_only: false,
        ..ask(credential)
    }
}

fn pair(name: &str, value: &str) -> HashMap<String, String> {
    HashMap::from([(name.to_owned(), value.to_owned())])
}

#[track_caller]
fn assert_denied(answer: &CheckResponse, reason: Reason) {
    assert_eq!((answer.decision(), answer.reason()), (Decision::Deny, reason), "{answer:?}");
    assert!(!answer.message.is_empty() && !answer.request_id.is_empty(), "{answer:?}");
}

#[track_caller]
fn assert_allowed(answer: &CheckResponse) {
    assert_eq!((answer.decision(), answer.reason()), (Decision::Allow, Reason::Ok), "{answer:?}");
}
