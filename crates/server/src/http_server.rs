//! HTTP port: `/livez` and `/readyz` for supervisors, `/metrics` for scrapers, the key set for verifiers of tokens,
//! and the endpoints that products' profiles declare. All other paths are a 404 with a JSON body. The port responds
//! from the start of the process, without the database.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use axum::{Json, Router};
use futures_util::future::BoxFuture;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use latchkey_core::cache::ReplicaCache;
use latchkey_telemetry::prometheus::CONTENT_TYPE;
use latchkey_transport::Listener;
use latchkey_transport::tls::{Acceptor, TlsConnection};
use serde_json::json;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::readiness::Stage;

/// Maximum number of connections: probes are few, and Envoy keeps its connections open.
pub(crate) const CONNECTIONS: usize = 256;
/// Timeout for the headers of a request and for an idle connection.
const HEADER_TIMEOUT: Duration = Duration::from_secs(5);

/// Handler of products' endpoints, given a request and the address of the client; `None` if no profile declares the
/// endpoint.
pub(crate) type EndpointHandler =
    Arc<dyn Fn(Request, Option<IpAddr>) -> BoxFuture<'static, Option<Response>> + Send + Sync>;

/// Renders all metrics in Prometheus' text format.
pub(crate) type MetricsRenderer = Arc<dyn Fn() -> String + Send + Sync>;

/// State that the handlers share.
#[derive(Clone)]
pub(crate) struct HttpState {
    pub(crate) stage: watch::Receiver<Stage>,
    pub(crate) cache: Arc<ReplicaCache>,
    pub(crate) endpoints: EndpointHandler,
    pub(crate) metrics: MetricsRenderer,
}

/// Serves until the future is dropped.
pub(crate) async fn serve(listener: Arc<Listener>, tls: Option<Arc<Acceptor>>, state: HttpState) {
    let mut connections = JoinSet::new();
    if let Some(acceptor) = tls.clone() {
        connections.spawn(async move { acceptor.watch_files().await });
    }
    while let Some((stream, handshake)) = listener.accept().await {
        // Finished connections are removed, so that the set stays as small as the number of open connections.
        while connections.try_join_next().is_some() {}
        let peer = stream.peer().map(|address| address.ip());
        let service = TowerToHyperService::new(router(state.clone(), peer));
        let tls = tls.clone();
        connections.spawn(async move {
            match tls {
                None => {
                    handshake.accepted();
                    drop(http1_builder().serve_connection(TokioIo::new(stream), service).await);
                }
                Some(acceptor) => {
                    // Failed handshakes are not logged: probes of the wrong protocol are frequent.
                    let Ok(TlsConnection { stream, .. }) = acceptor.accept(stream).await else { return };
                    handshake.accepted();
                    drop(http1_builder().serve_connection(TokioIo::new(stream), service).await);
                }
            }
        });
    }
}

fn http1_builder() -> http1::Builder {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEADER_TIMEOUT).max_buf_size(16 * 1024);
    http
}

fn router(state: HttpState, peer: Option<IpAddr>) -> Router {
    let HttpState { stage, cache, endpoints, metrics } = state;
    let other = move |request| async move {
        let not_found = || (StatusCode::NOT_FOUND, Json(json!({ "error": "not found" }))).into_response();
        endpoints(request, peer).await.unwrap_or_else(not_found)
    };
    let jwks_stage = stage.clone();
    Router::new()
        .route("/livez", get(|| async { Json(json!({ "status": "alive" })) }))
        .route("/readyz", get(readyz))
        .route("/metrics", get(move || async move { ([(header::CONTENT_TYPE, CONTENT_TYPE)], metrics()) }))
        .fallback(other)
        .with_state(stage)
        .route("/.well-known/jwks.json", get(jwks).with_state((jwks_stage, cache)))
}

/// Cache lifetime of the key set: half of the time for which a key is published before it signs.
const JWKS_CACHE_CONTROL: &str = "public, max-age=300";

/// State for requests of the key set.
type JwksState = (watch::Receiver<Stage>, Arc<ReplicaCache>);

/// Responds with the key set (RFC 7517), or with 304 if the client has the present one. Before the keys are read, the
/// response is 503, so that no client caches an empty set.
async fn jwks(State((stage, cache)): State<JwksState>, headers_in: HeaderMap) -> Response {
    if let Stage::Starting(reason) = &*stage.borrow() {
        return not_ready("starting", reason);
    }
    let set = cache.jwks();
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

async fn readyz(State(stage): State<watch::Receiver<Stage>>) -> Response {
    let stage = stage.borrow().clone();
    match stage {
        Stage::Ready => Json(json!({ "status": "ready" })).into_response(),
        Stage::Starting(reason) => not_ready("starting", &reason),
        Stage::Unable(reason) => not_ready("unable", &reason),
        Stage::Draining => not_ready("draining", "calls in flight are finished, then the process ends"),
    }
}

fn not_ready(status: &str, reason: &str) -> Response {
    (StatusCode::SERVICE_UNAVAILABLE, Json(json!({ "status": status, "reason": reason }))).into_response()
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpStream;
    use tokio::time::timeout;

    use super::*;
    use crate::clock::SystemClock;
    use latchkey_testing::{Ca, Pair};
    use latchkey_transport::tls::{Protocol, SettingFile, TlsFiles};

    fn http_state(stage: Stage) -> (watch::Sender<Stage>, HttpState) {
        let (sender, stage) = watch::channel(stage);
        let endpoints: EndpointHandler = Arc::new(|_, _| Box::pin(async { None }));
        let metrics: MetricsRenderer = Arc::new(|| "up 1\n".to_owned());
        (sender, HttpState { stage, cache: Arc::new(ReplicaCache::new(1 << 20)), endpoints, metrics })
    }

    async fn get(stage: Stage, path: &str) -> String {
        let address = "127.0.0.1:0".parse().unwrap();
        let listener = Arc::new(Listener::bind("http", address, 1).await.unwrap());
        let (_stage, state) = http_state(stage);
        let mut client = TcpStream::connect(listener.address().unwrap()).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
        client.write_all(request.as_bytes()).await.unwrap();
        let mut response = String::new();
        tokio::select! {
            () = serve(listener, None, state) => unreachable!("the server runs until it is dropped"),
            read = client.read_to_string(&mut response) => drop(read.unwrap()),
        }
        response
    }

    #[tokio::test]
    async fn readiness_says_what_it_waits_for() {
        let waiting = get(Stage::Starting("the database does not response".into()), "/readyz").await;
        assert!(
            waiting.starts_with("HTTP/1.1 503") && waiting.contains("the database does not response"),
            "{waiting}"
        );
        assert!(get(Stage::Ready, "/readyz").await.starts_with("HTTP/1.1 200"));
        assert!(get(Stage::Draining, "/readyz").await.starts_with("HTTP/1.1 503"));
    }

    #[tokio::test]
    async fn a_process_that_is_not_ready_is_alive() {
        assert!(get(Stage::Starting(String::new()), "/livez").await.starts_with("HTTP/1.1 200"));
    }

    #[tokio::test]
    async fn the_key_set_is_served_with_its_tag() {
        let set = get(Stage::Ready, "/.well-known/jwks.json").await;
        assert!(set.starts_with("HTTP/1.1 200") && set.ends_with(r#"{"keys":[]}"#), "{set}");
        assert!(set.contains("etag: \"") && set.contains("cache-control: public, max-age=300"), "{set}");
    }

    #[tokio::test]
    async fn metrics_are_served_before_the_process_is_ready() {
        let body = get(Stage::Starting(String::new()), "/metrics").await;
        assert!(body.starts_with("HTTP/1.1 200") && body.ends_with("up 1\n"), "{body}");
        assert!(body.contains("content-type: text/plain; version=0.0.4"), "{body}");
    }

    #[tokio::test]
    async fn anything_else_is_not_found_in_json() {
        let other = get(Stage::Ready, "/").await;
        assert!(other.starts_with("HTTP/1.1 404") && other.contains("application/json"), "{other}");
    }

    #[tokio::test]
    async fn a_connection_without_a_handshake_is_rejected_and_closed() {
        let (folder, ca) = (tempfile::tempdir().unwrap(), Ca::new());
        let Pair { cert, key, .. } = ca.issue(&["localhost"]);
        let file = |setting, text: &str| {
            let path = folder.path().join(setting);
            std::fs::write(&path, text).unwrap();
            SettingFile { path, setting }
        };
        let files = TlsFiles { cert: file("tls_cert", &cert), key: file("tls_key", &key), client_auth: None };
        let tls = Arc::new(Acceptor::new(files, Protocol::Http1, Arc::new(SystemClock)).unwrap());
        let listener = Arc::new(Listener::bind("http", "127.0.0.1:0".parse().unwrap(), 1).await.unwrap());
        let mut client = TcpStream::connect(listener.address().unwrap()).await.unwrap();
        client.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
        let over = async {
            drop(client.read_to_end(&mut Vec::new()).await);
            while listener.stats().open() > 0 {
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            () = serve(listener.clone(), Some(tls), http_state(Stage::Ready).1) => unreachable!("the server runs until it is dropped"),
            over = timeout(Duration::from_secs(20), over) => over.expect("the connection is closed"),
        }
        assert_eq!(listener.stats().outcomes(), [0, 1]);
    }
}
