//! Management of keys, tenants and profiles, on the embedded database and on PostgreSQL, and durability of
//! acknowledged writes.

mod access;
mod bring;
mod bulk;
mod defaults;
mod deletion;
mod escalation;
mod find;
mod grants;
mod import;
mod import_warnings;
mod input;
mod interrupted;
mod keys;
mod lifetimes;
mod lists;
mod lives;
mod missing;
mod profile_changes;
mod profile_secrets;
mod profiles;
mod races;
mod renamed_scopes;
mod roles;
mod same_value;
mod tenants;

use latchkey_proto::v1::{CheckRequest, CreateKeyRequest, Decision};
use latchkey_testing::{Caller, Database, Latchkey, ProfileBuilder, scoped};
use tonic::{Code, Status};

/// A product whose keys can manage keys, and whose publishable keys can be read again.
const SHOP: &str = r#"
name = "shop"

[credential]
sources = ["header:x-api-key"]

[resource]
merchant = "header:x-merchant-id"

[[kinds]]
name = "secret"
default = true
prefixes = { live = "shop_live_", test = "shop_test_" }
secret = "hex:32"
default_scopes = ["orders.read"]

[[kinds]]
name = "publishable"
prefixes = { live = "pub_live_", test = "pub_test_" }
secret = "base62:24"
checksum = true
retrievable = true
scopes = ["orders.read"]

[[scopes]]
name = "orders.read"
aliases = ["orders.view"]
[[scopes]]
name = "orders.write"
[[scopes]]
name = "api_keys.manage"

[rate_limits]
default = [{ per = "key", rate = "100/min" }]

[[plans]]
name = "big"
rate_limits = { default = [{ per = "key", rate = "1000/min" }] }
"#;

/// The shop with two tenants, `acme` and `bank`.
struct Shop {
    latchkey: Latchkey,
    operator: Caller,
}

impl Shop {
    async fn open(database: Database) -> Self {
        let (latchkey, operator) = database.setup().open("shop", SHOP, &["acme", "bank"]).await;
        Self { latchkey, operator }
    }

    /// Creates a tenant's key that may manage keys, with changes to its request; returns a caller with it.
    async fn manager(&self, tenant: &str, change: impl FnOnce(&mut CreateKeyRequest)) -> Caller {
        let mut ask = scoped(tenant, &["api_keys.manage", "orders.read"]);
        change(&mut ask);
        self.latchkey.caller(&self.operator.key(ask).await.1)
    }

    async fn admits(&self, value: &str) -> bool {
        let ask = CheckRequest {
            credential: value.to_owned(),
            dry_run: true,
            scopes_only: true,
            ..CheckRequest::default()
        };
        self.latchkey.anonymous().check(ask).await.decision() == Decision::Allow
    }
}

/// Returns the shop's document with another limit for each key.
fn with_rate(rate: &str) -> String {
    ProfileBuilder::from_document(SHOP).set("rate_limits.default[0].rate", rate).build()
}

/// Returns the status code of a rejected call; panics if the call succeeded.
#[track_caller]
fn refused<T>(answer: Result<T, Status>) -> Code {
    match answer {
        Ok(_) => panic!("the call should have been refused"),
        Err(status) => {
            use tonic_types::StatusExt as _;
            let info = status.get_details_error_info();
            let info = info.unwrap_or_else(|| panic!("no ErrorInfo in {status:?}"));
            assert_eq!(info.domain, "latchkey");
            assert!(!info.reason.is_empty());
            status.code()
        }
    }
}
