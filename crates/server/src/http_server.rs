//! HTTP ports: `/livez` and `/readyz` for supervisors, `/metrics` for scrapers, the key set for verifiers of tokens,
//! and the endpoints that products' profiles declare. All other paths are a 404 with a JSON body. The ports respond
//! from the start of the process, without the database. If there is an admin port, supervisors and scrapers use that
//! one alone, so that the clients of products cannot take their connections.

use std::net::IpAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{RawQuery, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use axum::{Json, Router};
use futures_util::future::BoxFuture;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use latchkey_core::cache::ReplicaCache;
use latchkey_telemetry::prometheus::CONTENT_TYPE;
use latchkey_transport::tls::{Acceptor, TlsConnection};
use latchkey_transport::{ConnectionLimits, Listener, OpenConnection, PeerAddress};
use serde_json::json;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::readiness::Stage;

/// Limits of each port's connections: probes are few, and Envoy keeps its connections open.
pub(crate) const LIMITS: ConnectionLimits =
    ConnectionLimits { open: 256, max_idle: Some(Duration::from_secs(60)), send_buffer: 32 * 1024 };
/// Timeout for the headers of a request and for an idle connection.
const HEADER_TIMEOUT: Duration = Duration::from_secs(5);
/// Largest size of a request's line and headers. It is above the 60 KiB that Envoy lets in and what a Check adds, so that
/// each request that was allowed is read. A connection holds this much at most, and there are at most 256 of them.
const MAX_HEAD_BYTES: usize = 128 * 1024;
/// Most headers of a request: above the limit of the recommended Envoy, which counts those that a Check adds.
const MAX_HEADERS: usize = 256;

/// Handler of products' endpoints, given a request and the address of the client; `None` if no profile declares the
/// endpoint.
pub(crate) type EndpointHandler =
    Arc<dyn Fn(Request, Option<IpAddr>) -> BoxFuture<'static, Option<Response>> + Send + Sync>;

/// Renders all metrics in Prometheus' text format.
pub(crate) type MetricsRenderer = Arc<dyn Fn() -> String + Send + Sync>;

/// Paths that an HTTP port serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ServedPaths {
    /// All paths.
    All,
    /// The key set and products' endpoints.
    Products,
    /// Probes and metrics.
    Admin,
}

/// State that the handlers share.
#[derive(Clone)]
pub(crate) struct HttpState {
    pub(crate) stage: watch::Receiver<Stage>,
    pub(crate) cache: Arc<ReplicaCache>,
    pub(crate) endpoints: EndpointHandler,
    pub(crate) metrics: MetricsRenderer,
}

/// Serves until `stopping` is true; then closes the port, and finishes the calls in flight.
pub(crate) async fn serve(
    listener: Arc<Listener>,
    tls: Option<Arc<Acceptor>>,
    state: HttpState,
    paths: ServedPaths,
    stopping: watch::Receiver<bool>,
) {
    let (mut connections, mut files) = (JoinSet::new(), JoinSet::new());
    if let Some(acceptor) = tls.clone() {
        files.spawn(async move { acceptor.watch_files().await });
    }
    loop {
        let accepted = tokio::select! {
            () = is_true(stopping.clone()) => break,
            accepted = listener.accept() => accepted,
        };
        let Some((stream, handshake, open)) = accepted else { break };
        // Finished connections are removed, so that the set stays as small as the number of open connections.
        while connections.try_join_next().is_some() {}
        let peer = stream.peer().as_ref().map(PeerAddress::ip);
        let calls = open.clone();
        let counted = from_fn(move |request: Request, next: Next| {
            let call = calls.call();
            async move {
                let response = next.run(request).await;
                drop(call);
                response
            }
        });
        let router = router(state.clone(), peer, paths).layer(counted);
        let (tls, end) = (tls.clone(), end_of_calls(open.clone(), stopping.clone()));
        let serving = async move {
            match tls {
                None => {
                    handshake.accepted();
                    serve_calls(stream, router, end).await;
                }
                Some(acceptor) => {
                    // Failed handshakes are not logged: probes of the wrong protocol are frequent.
                    let Ok(TlsConnection { stream, .. }) = acceptor.accept(stream).await else { return };
                    handshake.accepted();
                    serve_calls(stream, router, end).await;
                }
            }
        };
        connections.spawn(async move {
            tokio::select! {
                () = serving => {}
                // Its call takes long, or its client does not read: others wait for the place.
                () = open.overdue() => {}
            }
        });
    }
    // The port is closed first, so that no client connects to a server that no longer answers.
    drop(listener);
    while connections.join_next().await.is_some() {}
}

/// Completes when a flag is true, or when its sender is gone.
pub(crate) async fn is_true(mut flag: watch::Receiver<bool>) {
    drop(flag.wait_for(|set| *set).await);
}

/// Completes when a connection gets no further call: it must make room for another one, or the process ends.
async fn end_of_calls(open: OpenConnection, stopping: watch::Receiver<bool>) {
    tokio::select! {
        () = open.closing() => {}
        () = is_true(stopping) => {}
    }
}

/// Serves the calls of a connection until it ends; from `end` on, only the call in flight.
async fn serve_calls<S>(stream: S, router: Router, end: impl Future<Output = ()>)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let service = TowerToHyperService::new(router);
    let mut connection = pin!(http1_builder().serve_connection(TokioIo::new(stream), service));
    tokio::select! {
        _ = connection.as_mut() => return,
        () = end => connection.as_mut().graceful_shutdown(),
    }
    drop(connection.await);
}

fn http1_builder() -> http1::Builder {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .max_buf_size(MAX_HEAD_BYTES)
        .max_headers(MAX_HEADERS);
    http
}

fn router(state: HttpState, peer: Option<IpAddr>, paths: ServedPaths) -> Router {
    let HttpState { stage, cache, endpoints, metrics } = state;
    let products = move |request| async move { endpoints(request, peer).await.unwrap_or_else(not_found) };
    let jwks_stage = stage.clone();
    let probes = || {
        Router::new()
            .route("/livez", get(|| async { Json(json!({ "status": "alive" })) }))
            .route("/readyz", get(readyz))
            .route(
                "/metrics",
                get(move || async move { ([(header::CONTENT_TYPE, CONTENT_TYPE)], metrics()) }),
            )
            .with_state(stage)
    };
    if paths == ServedPaths::Admin {
        return probes().fallback(|| async { not_found() });
    }
    let other = if paths == ServedPaths::All { probes() } else { Router::new() };
    other.fallback(products).route("/.well-known/jwks.json", get(jwks).with_state((jwks_stage, cache)))
}

fn not_found() -> Response {
    (StatusCode::NOT_FOUND, Json(json!({ "error": "not found" }))).into_response()
}

/// Cache lifetime of the key set: half of the time for which a key is published before it signs.
const JWKS_CACHE_CONTROL: &str = "public, max-age=300";

/// State for requests of the key set.
type JwksState = (watch::Receiver<Stage>, Arc<ReplicaCache>);

/// Responds with the key set (RFC 7517) of the profile that the query names, or with that of all profiles without a
/// query; with 304 if the client has the present one. Before the keys are read, the response is 503, so that no client
/// caches an empty set.
async fn jwks(
    State((stage, cache)): State<JwksState>,
    RawQuery(query): RawQuery,
    headers_in: HeaderMap,
) -> Response {
    if let Stage::Starting(reason) = &*stage.borrow() {
        return not_ready("starting", reason);
    }
    let failed = |status: StatusCode, error: &str| (status, Json(json!({ "error": error }))).into_response();
    let profile = match query.as_deref().map(jwks_profile) {
        None => None,
        Some(Some(profile)) => Some(profile),
        // The keys of all profiles are more than a client asked for that misspelt the name of one.
        Some(None) => {
            let error = "the query must be profile=NAME, such as /.well-known/jwks.json?profile=shop";
            return failed(StatusCode::BAD_REQUEST, error);
        }
    };
    let Some(set) = cache.jwks(profile) else {
        return failed(StatusCode::NOT_FOUND, "no profile of this name has signing keys");
    };
    let has = |tags: &HeaderValue| {
        tags.to_str()
            .is_ok_and(|tags| tags.split(',').any(|tag| tag.trim().trim_start_matches("W/") == set.etag))
    };
    let headers = [(header::ETAG, set.etag.clone()), (header::CACHE_CONTROL, JWKS_CACHE_CONTROL.to_owned())];
    if headers_in.get_all(header::IF_NONE_MATCH).iter().any(has) {
        return (StatusCode::NOT_MODIFIED, headers).into_response();
    }
    let json = [(header::CONTENT_TYPE, "application/jwk-set+json")];
    (headers, json, set.body.clone()).into_response()
}

/// Returns the profile that a query names, if that is all that it says.
fn jwks_profile(query: &str) -> Option<&str> {
    query.strip_prefix("profile=").filter(|name| !name.is_empty() && !name.contains(['&', '=']))
}

async fn readyz(State(stage): State<watch::Receiver<Stage>>) -> Response {
    let stage = stage.borrow().clone();
    match stage {
        Stage::Ready => Json(json!({ "status": "ready" })).into_response(),
        Stage::Limited(reason) => Json(json!({ "status": "limited", "reason": reason })).into_response(),
        Stage::Starting(reason) => not_ready("starting", &reason),
        Stage::Unable(reason) => not_ready("unable", &reason),
        Stage::Draining => not_ready("draining", "calls in flight are finished, then the process ends"),
    }
}

fn not_ready(status: &str, reason: &str) -> Response {
    (StatusCode::SERVICE_UNAVAILABLE, Json(json!({ "status": status, "reason": reason }))).into_response()
}

#[cfg(test)]
mod tests;
