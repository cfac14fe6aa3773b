//! Every scope of a product permits its own calls and no others: each is granted alone, and every guarded
//! call is tried with it.

use latchkey_testing::key;

use crate::Product;

/// Each scope, and the calls that it permits.
type PermittedCalls<'a> = [(&'a str, &'a [&'a str])];

async fn assert_each_opens_its_own_routes(
    product: &Product,
    environment: &str,
    permitted: &PermittedCalls<'_>,
) {
    for (scope, _) in permitted {
        let mut ask = key("acme", environment);
        ask.scopes = vec![(*scope).to_owned()];
        let (_, value) = product.operator.key(ask).await;
        for (needed, calls) in permitted {
            for call in *calls {
                let answer = product.send(call, &[("x-api-key", &value), ("x-tenant-id", "acme")]);
                let expected = if needed == scope { 200 } else { 403 };
                assert_eq!(answer.status, expected, "{call} with {scope}: {answer:?}");
                assert!(expected == 200 || answer.body.contains(needed), "{answer:?}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_of_luxcores_scopes_opens_its_own_routes_alone() {
    let luxcore = Product::open("luxcore", "api.lux-core.io").await;
    let permitted: &PermittedCalls<'_> = &[
        ("payments.create", &["POST /v1/payments"]),
        ("payments.read", &["GET /v1/payments", "GET /v1/payments/pay_1"]),
        ("payments.cancel", &["POST /v1/payments/pay_1/cancel"]),
        ("payments.methods", &["GET /v1/payments/methods"]),
        ("webhooks.create", &["POST /v1/webhooks"]),
        ("webhooks.read", &["GET /v1/webhooks", "GET /v1/webhooks/wh_1"]),
        ("webhooks.update", &["PATCH /v1/webhooks/wh_1"]),
        ("webhooks.delete", &["DELETE /v1/webhooks/wh_1"]),
        ("balance.read", &["GET /v1/balance"]),
    ];
    assert_each_opens_its_own_routes(&luxcore, "production", permitted).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_of_auxvaults_fourteen_permissions_opens_its_own_routes_alone() {
    let auxvault = Product::open("auxvault", "dev.auxcore.net").await;
    let permitted: &PermittedCalls<'_> = &[
        ("transactions.read", &["GET /api/v1/transactions/t_1"]),
        ("transactions.write", &["POST /api/v1/public/transaction", "POST /api/v1/transactions"]),
        ("transactions.void", &["POST /api/v1/transactions/t_1/void"]),
        ("refunds.write", &["POST /api/v1/refunds"]),
        ("refunds.read", &["GET /api/v1/refunds/r_1"]),
        ("customers.read", &["GET /api/v1/customers"]),
        ("customers.write", &["POST /api/v1/customers", "PUT /api/v1/customers/c_1"]),
        ("customers.delete", &["DELETE /api/v1/customers/c_1"]),
        ("recurring.read", &["GET /api/v1/recurring"]),
        ("recurring.write", &["POST /api/v1/recurring"]),
        ("invoices.read", &["GET /api/v1/invoices/i_1"]),
        ("invoices.write", &["POST /api/v1/invoices"]),
        ("reports.read", &["GET /api/v1/reports/settlement"]),
        ("api_keys.manage", &["GET /api/v1/api-keys", "POST /api/v1/api-keys"]),
    ];
    assert_eq!(permitted.len(), 14);
    assert_each_opens_its_own_routes(&auxvault, "live", permitted).await;
}
