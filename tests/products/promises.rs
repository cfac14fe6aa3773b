//! The documented limits of each shipped profile, tested by twenty calls more than the limit.

use std::time::Duration;

use latchkey_proto::v1::CreateKeyRequest;
use latchkey_testing::key;
use tokio::time::Instant;

use crate::Product;

/// Sends calls, and returns when each that passed was sent and answered.
fn passed(product: &Product, call: &str, header: &str, value: &str, calls: usize) -> Vec<(Instant, Instant)> {
    let send = |_| {
        let sent = Instant::now();
        (product.send(call, &[(header, value)]).status == 200).then(|| (sent, Instant::now()))
    };
    (0..calls).filter_map(send).collect()
}

/// Opens a product with a tenant on this plan, and creates a key.
async fn open(name: &str, host: &'static str, plan: &str, environment: &str) -> (Product, String) {
    let product = Product::open(name, host).await;
    let slug = if plan.is_empty() { "acme" } else { "planned" };
    if !plan.is_empty() {
        let _ = product.operator.tenant(slug, name, plan).await;
    }
    let (_, value) = product.operator.key(key(slug, environment)).await;
    (product, value)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rate_without_a_burst_is_never_exceeded() {
    for (name, host, plan, environment, call, limit) in [
        ("paykore", "api.paykore.dev", "", "live", "GET /v1/wallets", 300),
        ("paykore", "api.paykore.dev", "starter", "live", "GET /v1/wallets", 300),
        ("luxcore", "api.lux-core.io", "", "production", "GET /v1/balance", 100),
    ] {
        let (product, value) = open(name, host, plan, environment).await;
        let passed = passed(&product, call, "X-API-Key", &value, limit + 20);
        assert!(passed.len() >= limit, "{name} {plan}: {}", passed.len());
        // More pass only on a slow machine: a call beyond the limit, a minute after the first of those before it.
        for ((sent, _), (_, answered)) in passed.iter().zip(&passed[limit..]) {
            let between = *answered - *sent;
            assert!(between > Duration::from_secs(59), "{name} {plan}: {} in {between:?}", limit + 1);
        }
    }
}

/// Luxor documents token buckets, and `LuxCore` a burst for payments. The rate refills them meanwhile, by 5 and 83 calls
/// a second.
#[tokio::test(flavor = "multi_thread")]
async fn a_token_bucket_admits_its_burst_and_what_is_refilled() {
    for (name, host, environment, header, call, burst) in [
        ("luxor", "app.luxor.tech", "", "authorization", "GET /api/v1/workspace", 300),
        ("luxcore", "api.lux-core.io", "production", "X-API-Key", "POST /v1/payments", 500),
    ] {
        let (product, value) = open(name, host, "", environment).await;
        assert!(passed(&product, call, header, &value, burst + 20).len() >= burst, "{name}");
    }
}

/// `AuxVault` and Lumen document no limits.
#[tokio::test(flavor = "multi_thread")]
async fn a_product_without_limits_denies_no_call_for_them() {
    let auxvault = Product::open("auxvault", "dev.auxcore.net").await;
    let (_, value) =
        auxvault.operator.key(CreateKeyRequest { kind: "erp".to_owned(), ..key("acme", "live") }).await;
    let headers = [("x-api-key", &*value), ("X-Tenant-ID", "acme")];
    for _ in 0..120 {
        assert_eq!(auxvault.send("POST /api/v1/public/testConnection", &headers).status, 200);
    }
    let lumen = Product::open("lumen", "api.getlumen.dev").await;
    let (_, value) =
        lumen.operator.key(CreateKeyRequest { kind: "secret".to_owned(), ..key("acme", "live") }).await;
    let bearer = format!("Bearer {value}");
    assert_eq!(passed(&lumen, "GET /v1/customers", "authorization", &bearer, 120).len(), 120);
}
