//! Tests of key usage: the calls that are counted, when they are visible, their durability, and sums over
//! replicas. On both databases.

mod commands;
mod counting;
mod lasting;
mod report;

use latchkey_proto::v1::{CheckResponse, GetKeyUsageRequest, GetKeyUsageResponse, Key};
use latchkey_testing::{Caller, Database, Latchkey, SHOP, Setup, answered, call};

/// A product and its tenants `acme` and `bank`.
pub(crate) struct Shop {
    pub(crate) latchkey: Latchkey,
    pub(crate) operator: Caller,
}

impl Shop {
    pub(crate) async fn open(database: Database) -> Self {
        Self::flushing(database.single_replica(), "5s").await
    }

    /// Starts a server with this flush interval.
    pub(crate) async fn flushing(setup: Setup, flush: &str) -> Self {
        let setup = setup.environment("LATCHKEY_USAGE_FLUSH_INTERVAL", flush);
        let (latchkey, operator) = setup.open("shop", SHOP, &["acme", "bank"]).await;
        Self { latchkey, operator }
    }

    /// Creates a key of `acme` with these scopes.
    pub(crate) async fn key(&self, scopes: &[&str]) -> (Key, String) {
        self.operator.scoped_key("acme", scopes).await
    }

    pub(crate) async fn check(&self, value: &str, method: &str) -> CheckResponse {
        self.latchkey.anonymous().check(call(value, method)).await
    }
}

/// Reads the complete usage of a key.
pub(crate) async fn usage(caller: &Caller, id: &str) -> GetKeyUsageResponse {
    let ask = GetKeyUsageRequest { id: id.to_owned(), ..GetKeyUsageRequest::default() };
    let found = answered(|| async { caller.keys().get_key_usage(ask.clone()).await });
    found.await.expect("use is returned").into_inner()
}

/// Returns the numbers of allowed calls and of calls denied for a reason, in all hours, since a test may run
/// across two.
pub(crate) fn calls(usage: &GetKeyUsageResponse, reason: &str) -> (u64, u64) {
    let denied = usage.hours.iter().filter_map(|hour| hour.denied.get(reason)).sum();
    (usage.hours.iter().map(|hour| hour.allowed).sum(), denied)
}

pub(crate) async fn get(caller: &Caller, id: &str) -> Key {
    let ask = latchkey_proto::v1::GetKeyRequest { id: id.to_owned() };
    let found = answered(|| async { caller.keys().get_key(ask.clone()).await });
    found.await.expect("the key is there").into_inner()
}
