//! The two examples against the built program: allowed calls, denied calls, and calls during an outage.

#![expect(clippy::unwrap_used, reason = "a test that can't go on says so by ending")]
#![expect(clippy::disallowed_methods, reason = "what is started here ends with the test")]

#[path = "../examples/axum_service.rs"]
#[expect(dead_code, reason = "the example's own main")]
mod axum_service;
#[path = "../examples/tonic_service.rs"]
#[expect(dead_code, reason = "the example's own main")]
mod tonic_service;

use latchkey_client::{Checker, Connect, Guard, OnOutage, v1};
use latchkey_testing::{Answer, Latchkey, Request, Setup, eventually_async, free_port, key};
use tokio::net::TcpListener;
use tonic::Code;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

async fn demo() -> (Latchkey, String) {
    let latchkey = Setup::default().shipped("demo").start();
    let operator = latchkey.operator();
    operator.tenant("acme", "demo", "").await;
    let request = v1::CreateKeyRequest { scopes: vec!["things.read".to_owned()], ..key("acme", "") };
    let (_, value) = operator.key(request).await;
    (latchkey, value)
}

fn address(latchkey: &Latchkey) -> String {
    format!("http://127.0.0.1:{}", latchkey.grpc())
}

/// Returns a checker that waits longer than the default, which a busy machine exceeds.
fn patient(latchkey: &Latchkey) -> Checker {
    let channel = Connect::to(&address(latchkey)).connect_lazy().unwrap();
    Checker::new(channel).deadline(std::time::Duration::from_secs(20))
}

async fn serve(router: axum::Router) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(axum::serve(listener, router).into_future());
    port
}

async fn get(port: u16, headers: &[(&str, &str)]) -> Answer {
    let request = headers
        .iter()
        .fold(Request::get("127.0.0.1", "/things"), |request, (name, value)| request.header(name, value));
    tokio::task::spawn_blocking(move || request.send(port)).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_axum_service_gets_allowed_calls_with_their_principal() {
    let (latchkey, key) = demo().await;
    let port = serve(axum_service::service(patient(&latchkey))).await;
    let allowed = get(port, &[("x-api-key", &key)]).await;
    assert_eq!((allowed.status, allowed.body.as_str()), (200, "hello api-server of acme"));
    assert_eq!(get(port, &[]).await.status, 401);
    assert_eq!(get(port, &[("x-api-key", "wrong")]).await.status, 401);
    assert_eq!(
        get(port, &[("x-api-key", &key), ("x-api-key", "other")]).await.status,
        401,
        "two different credentials are rejected"
    );
    latchkey.kill();
    assert_eq!(get(port, &[("x-api-key", &key)]).await.status, 503, "the guard fails closed");
    latchkey.restart();
    assert_eq!(get(port, &[("x-api-key", &key)]).await.status, 200, "the channel reconnects");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tonic_service_responds_in_grpc() {
    let (latchkey, key) = demo().await;
    let port = free_port();
    let routes = tonic_service::service(patient(&latchkey));
    let serving = tonic::transport::Server::builder().add_routes(routes);
    tokio::spawn(serving.serve(format!("127.0.0.1:{port}").parse().unwrap()));
    let channel = Connect::to(&format!("http://127.0.0.1:{port}")).connect_lazy().unwrap();
    let request = |credential: Option<&str>| {
        let mut request = tonic::Request::new(HealthCheckRequest::default());
        if let Some(credential) = credential {
            request.metadata_mut().insert("x-api-key", credential.parse().unwrap());
        }
        request
    };
    let mut health = HealthClient::new(channel);
    eventually_async("the service answers", async || match health.clone().check(request(Some(&key))).await {
        Ok(_) => Some(()),
        Err(status) if status.code() == Code::Unavailable => None,
        Err(status) => panic!("{status:?}"),
    })
    .await;
    assert!(health.check(request(Some(&key))).await.is_ok());
    assert_eq!(health.check(request(None)).await.unwrap_err().code(), Code::Unauthenticated);
    let denied = health.watch(request(Some(&key))).await.unwrap_err();
    assert_eq!(denied.code(), Code::PermissionDenied, "a scope is missing: {denied:?}");
    latchkey.kill();
    assert_eq!(health.check(request(Some(&key))).await.unwrap_err().code(), Code::Unavailable);
}

/// Status of a request that is written by hand.
async fn raw(port: u16, request: String) -> u16 {
    use std::io::{Read as _, Write as _};
    let exchange = move || {
        let mut stream = std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut head = [0; 12];
        stream.read_exact(&mut head).unwrap();
        String::from_utf8_lossy(&head[9..]).parse().unwrap()
    };
    tokio::task::spawn_blocking(exchange).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn no_request_of_a_client_looks_like_an_outage_to_a_guard_that_fails_open() {
    let (latchkey, key) = demo().await;
    let guard = Guard::new(patient(&latchkey)).profile("demo").on_outage(OnOutage::FailOpen);
    let router = axum::Router::new().fallback(|| async { "open" }).layer(guard);
    let port = serve(router).await;
    let long = "x".repeat(129);
    let head = |line: &str, headers: &str| {
        format!("{line} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{headers}\r\n")
    };
    for (request, status) in [
        (head("GET /things", &format!("x-request-id: {long}\r\n")), 401),
        (head("GET /things", &format!("x-request-id: {long}\r\nx-api-key: {key}\r\n")), 200),
        (head(&format!("{long} /things"), &format!("x-api-key: {key}\r\n")), 400),
        (head(&format!("GET /{}", "x".repeat(9_000)), &format!("x-api-key: {key}\r\n")), 400),
        (head("CONNECT upstream:443", &format!("x-api-key: {key}\r\n")), 403),
        (head("OPTIONS *", &format!("x-api-key: {key}\r\n")), 403),
        (head("GET /things", &format!("x-api-key: {}\r\n", "k".repeat(9_000))), 401),
    ] {
        let shown = request.lines().next().unwrap_or_default().to_owned();
        assert_eq!(raw(port, request).await, status, "{shown}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guard_below_a_prefix_judges_the_path_that_the_client_sent() {
    let (latchkey, key) = demo().await;
    let guard = Guard::new(patient(&latchkey)).profile("demo");
    let guarded = |path: &str| {
        let handler = axum::routing::get(|| async { "reached" });
        axum::Router::new().route(path, handler).layer(guard.clone())
    };
    let inner = axum::Router::new().nest("/inner", guarded("/things"));
    let router = axum::Router::new()
        .nest("/admin", guarded("/things"))
        .nest("/deep", inner)
        .nest("/things", guarded("/{id}"));
    let port = serve(router).await;
    for (target, status) in [
        ("/things/a", 200),
        ("http://x/things/a?b", 200),
        ("/admin/things", 403),
        ("http://x/admin/things", 403),
        ("/deep/inner/things", 403),
    ] {
        let request =
            format!("GET {target} HTTP/1.1\r\nhost: x\r\nconnection: close\r\nx-api-key: {key}\r\n\r\n");
        assert_eq!(raw(port, request).await, status, "{target}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn fail_open_passes_calls_on_during_an_outage() {
    let unreachable = Connect::to(&format!("http://127.0.0.1:{}", free_port())).connect_lazy().unwrap();
    let guard = Guard::new(Checker::new(unreachable)).on_outage(OnOutage::FailOpen);
    let router = axum::Router::new().route("/things", axum::routing::get(|| async { "open" })).layer(guard);
    assert_eq!(get(serve(router).await, &[]).await.body, "open");
}
