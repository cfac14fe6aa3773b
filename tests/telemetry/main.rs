//! Tests of telemetry: exact counts, labels of bounded number, a dashboard and alerts that use existing
//! metrics only, and traces that continue Envoy's.

mod collector;
mod connections;
mod counts;
mod files;
mod http_collector;
mod otlp_http;
mod outages;
mod prometheus;
mod queries;
mod scrape;
mod traces;

use latchkey_proto::v1::{CheckResponse, Key};
use latchkey_testing::{Caller, Latchkey, SHOP, Setup, call};

/// A product and its tenant `acme`.
pub(crate) struct Shop {
    pub(crate) latchkey: Latchkey,
    pub(crate) operator: Caller,
}

impl Shop {
    /// Starts a server with a lease of a minute, so that it does not expire on a slow machine.
    pub(crate) async fn open(setup: Setup) -> Self {
        let setup = setup.environment("LATCHKEY_CACHE_LEASE", "60s");
        let (latchkey, operator) = setup.open("shop", SHOP, &["acme"]).await;
        Self { latchkey, operator }
    }

    /// Creates a key that may read.
    pub(crate) async fn key(&self, tenant: &str) -> (Key, String) {
        self.operator.scoped_key(tenant, &["items.read"]).await
    }

    pub(crate) async fn check(&self, value: &str, method: &str) -> CheckResponse {
        self.latchkey.anonymous().check(call(value, method)).await
    }
}
