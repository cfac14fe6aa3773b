//! The audit log from outside: what is in it, who may read it, and that whoever edits the database is found. On
//! both databases.

mod commands;
mod damage;
mod events;
mod reading;

use latchkey_proto::v1::{AuditEvent, ListAuditEventsRequest, VerifyAuditLogRequest, VerifyAuditLogResponse};
use latchkey_testing::{Caller, Latchkey, Postgres, Setup};

/// Runs each test on the embedded database and on PostgreSQL.
#[macro_export]
macro_rules! on_both {
    ($($test:ident),* $(,)?) => {
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $test() {
                super::$test($crate::Shop::open(false).await).await;
            })*
        }
        mod postgres {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $test() {
                super::$test($crate::Shop::open(true).await).await;
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
default_scopes = ["items.read"]
[[scopes]]
name = "api_keys.manage"
[[scopes]]
name = "items.read"
[rate_limits]
default = [{ per = "key", rate = "10000/min" }]
[jwt]
issuer = "https://shop.example.dev"
audience = "shop"
ttl = "1h"
refresh_ttl = "30d"
[[roles]]
name = "clerk"
scopes = ["items.read"]
"#;

/// A product and its tenants `acme` and `bank`, with a file of anchors beside the server.
pub(crate) struct Shop {
    pub(crate) latchkey: Latchkey,
    pub(crate) operator: Caller,
}

/// Where the anchors are, in the server's folder.
pub(crate) const ANCHORS: &str = "anchors";

impl Shop {
    pub(crate) async fn open(postgres: bool) -> Self {
        let setup = Setup::default().profile("shop", SHOP).environment("LATCHKEY_AUDIT_ANCHOR", ANCHORS);
        let setup = if postgres {
            // One replica: nobody else's lease has to be waited for.
            setup.database(&Postgres::shared().database()).environment("LATCHKEY_SINGLE_REPLICA", "true")
        } else {
            setup
        };
        let latchkey = setup.start();
        let operator = latchkey.operator();
        for slug in ["acme", "bank"] {
            let _ = operator.tenant(slug, "shop", "").await;
        }
        Self { latchkey, operator }
    }

    /// A key of a tenant that may manage keys: its id, and who calls with it.
    pub(crate) async fn manager(&self, tenant: &str) -> (String, Caller) {
        let scopes = vec!["api_keys.manage".to_owned(), "items.read".to_owned()];
        let ask = latchkey_proto::v1::CreateKeyRequest { scopes, ..latchkey_testing::key(tenant, "live") };
        let (key, value) = self.operator.key(ask).await;
        (key.id, self.latchkey.caller(&value))
    }

    /// Every event that the operator sees, newest first.
    pub(crate) async fn events(&self) -> Vec<AuditEvent> {
        let ask = ListAuditEventsRequest { page_size: 1_000, ..ListAuditEventsRequest::default() };
        self.operator.audit().list_audit_events(ask).await.expect("the log is read").into_inner().events
    }

    pub(crate) async fn verify(&self, ask: VerifyAuditLogRequest) -> VerifyAuditLogResponse {
        self.operator.audit().verify_audit_log(ask).await.expect("the log is checked").into_inner()
    }
}
