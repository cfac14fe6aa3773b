//! Use of keys from outside: what is counted, when it is told, what survives, and how replicas add up. On both
//! databases.

mod commands;
mod counting;
mod lasting;

use latchkey_proto::v1::{CheckRequest, CheckResponse, GetKeyUsageRequest, GetKeyUsageResponse, Key};
use latchkey_testing::{Caller, Latchkey, Postgres, Setup, key};

/// Runs each test on the embedded database and on PostgreSQL.
#[macro_export]
macro_rules! on_both {
    ($($test:ident),* $(,)?) => {
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $test() {
                super::$test($crate::Shop::open(false, "5s").await).await;
            })*
        }
        mod postgres {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $test() {
                super::$test($crate::Shop::open(true, "5s").await).await;
            })*
        }
    };
}

pub(crate) const SHOP: &str = r#"
name = "shop"
[credential]
sources = ["header:x-api-key", "header:authorization Bearer"]
[[kinds]]
name = "secret"
default = true
prefixes = { live = "sk_live_", test = "sk_test_" }
[[scopes]]
name = "api_keys.manage"
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
path = "/health"
public = true
[rate_limits]
default = [{ per = "key", rate = "10000/min" }]
few = [{ per = "key", rate = "1/h" }]
[jwt]
issuer = "https://shop.example.dev"
audience = "shop"
ttl = "1h"
refresh_ttl = "30d"
"#;

/// A product and its tenants `acme` and `bank`.
pub(crate) struct Shop {
    pub(crate) latchkey: Latchkey,
    pub(crate) operator: Caller,
}

impl Shop {
    pub(crate) async fn open(postgres: bool, flush: &str) -> Self {
        let setup = Setup::default().profile("shop", SHOP);
        let setup = if postgres {
            // One replica: nobody else's lease has to be waited for.
            setup.database(&Postgres::shared().database()).environment("LATCHKEY_SINGLE_REPLICA", "true")
        } else {
            setup
        };
        let latchkey = setup.environment("LATCHKEY_USAGE_FLUSH", flush).start();
        let operator = latchkey.operator();
        for slug in ["acme", "bank"] {
            let _ = operator.tenant(slug, "shop", "").await;
        }
        Self { latchkey, operator }
    }

    /// A key of `acme` with these scopes.
    pub(crate) async fn key(&self, scopes: &[&str]) -> (Key, String) {
        let scopes = scopes.iter().map(|scope| (*scope).to_owned()).collect();
        let ask = latchkey_proto::v1::CreateKeyRequest { scopes, ..key("acme", "live") };
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

/// All that is told of a key's use.
pub(crate) async fn usage(caller: &Caller, id: &str) -> GetKeyUsageResponse {
    let ask = GetKeyUsageRequest { id: id.to_owned(), ..GetKeyUsageRequest::default() };
    caller.keys().get_key_usage(ask).await.expect("use is told").into_inner()
}

/// How many calls passed, and how many were denied for a reason, in all hours: a test may run across two.
pub(crate) fn calls(usage: &GetKeyUsageResponse, reason: &str) -> (u64, u64) {
    let denied = usage.hours.iter().filter_map(|hour| hour.denied.get(reason)).sum();
    (usage.hours.iter().map(|hour| hour.allowed).sum(), denied)
}

pub(crate) async fn get(caller: &Caller, id: &str) -> Key {
    let ask = latchkey_proto::v1::GetKeyRequest { id: id.to_owned() };
    caller.keys().get_key(ask).await.expect("the key is there").into_inner()
}
