//! Axum service that is protected by the guard: `LATCHKEY=http://127.0.0.1:50051 cargo run -p latchkey-client
//! --example axum_service`, and then `curl -i -H 'x-api-key: …' http://127.0.0.1:8000/things`.

use axum::routing::get;
use axum::{Extension, Router};
use latchkey_client::{Checker, Connect, Guard, v1};
use tokio::net::TcpListener;

/// Greets the caller. The guard passes on allowed requests only, each with its principal.
async fn things(Extension(principal): Extension<v1::Principal>) -> String {
    format!("hello {} of {}", principal.subject_name, principal.tenant_slug)
}

/// Returns the service, protected by the Latchkey server that the checker asks.
pub(crate) fn service(checker: Checker) -> Router {
    Router::new().route("/things", get(things)).layer(Guard::new(checker).profile("demo"))
}

/// Serves on port 8000.
#[tokio::main(flavor = "current_thread")]
pub(crate) async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let latchkey = std::env::args().nth(1).unwrap_or_else(|| "http://127.0.0.1:50051".to_owned());
    let checker = Checker::new(Connect::to(&latchkey).connect_lazy()?);
    axum::serve(TcpListener::bind("127.0.0.1:8000").await?, service(checker)).await?;
    Ok(())
}
