//! Echo service behind Envoy: responds with the method, path and headers of the request.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use axum::http::{HeaderMap, Method, Uri};
use axum::{Json, Router};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::exit::CliError;

/// Starts the service, which ends with the process.
pub(super) async fn start(address: SocketAddr) -> Result<SocketAddr, CliError> {
    let bad = |error| CliError::Local(format!("--echo-addr {address} can't be listened on: {error}"));
    let listener = TcpListener::bind(address).await.map_err(bad)?;
    let address = listener.local_addr()?;
    let serving = axum::serve(listener, Router::new().fallback(echo));
    #[expect(clippy::disallowed_methods, reason = "it holds nothing, and ends with the process")]
    tokio::spawn(serving.into_future());
    Ok(address)
}

async fn echo(method: Method, uri: Uri, headers: HeaderMap) -> Json<Value> {
    let mut seen: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for (name, value) in &headers {
        seen.entry(name.as_str()).or_default().push(String::from_utf8_lossy(value.as_bytes()).into_owned());
    }
    Json(json!({ "method": method.as_str(), "path": uri.to_string(), "headers": seen }))
}
