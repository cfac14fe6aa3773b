//! Tests of the audit log through the API: its content, its readers, and the detection of edits in the
//! database. On both databases.

mod commands;
mod damage;
mod events;
mod reading;

use latchkey_proto::v1::{
    AuditEvent, Key, ListAuditEventsRequest, VerifyAuditLogRequest, VerifyAuditLogResponse,
};
use latchkey_testing::{Caller, Database, Latchkey, SHOP};

/// A product and its tenants `acme` and `bank`, with a file of anchors beside the server.
pub(crate) struct Shop {
    pub(crate) latchkey: Latchkey,
    pub(crate) operator: Caller,
}

/// Path of the anchors, in the server's folder.
pub(crate) const ANCHORS: &str = "anchors";

impl Shop {
    pub(crate) async fn open(database: Database) -> Self {
        let setup = database.single_replica().environment("LATCHKEY_AUDIT_ANCHOR", ANCHORS);
        let (latchkey, operator) = setup.open("shop", SHOP, &["acme", "bank"]).await;
        Self { latchkey, operator }
    }

    /// Creates a tenant's key with these scopes.
    pub(crate) async fn key(&self, tenant: &str, scopes: &[&str]) -> (Key, String) {
        self.operator.scoped_key(tenant, scopes).await
    }

    /// Creates a key of a tenant that may manage keys; returns its id and a caller with it.
    pub(crate) async fn manager(&self, tenant: &str) -> (String, Caller) {
        let (key, value) = self.key(tenant, &["api_keys.manage", "items.read"]).await;
        (key.id, self.latchkey.caller(&value))
    }

    /// Returns every event that the operator sees, newest first.
    pub(crate) async fn events(&self) -> Vec<AuditEvent> {
        let ask = ListAuditEventsRequest { page_size: 1_000, ..ListAuditEventsRequest::default() };
        self.operator.audit().list_audit_events(ask).await.expect("the log is read").into_inner().events
    }

    pub(crate) async fn verify(&self, ask: VerifyAuditLogRequest) -> VerifyAuditLogResponse {
        self.operator.audit().verify_audit_log(ask).await.expect("the log is checked").into_inner()
    }
}
