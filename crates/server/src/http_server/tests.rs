//! Pages of the HTTP ports.

mod in_flight;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::*;
use crate::clock::SystemClock;
use latchkey_testing::{Ca, Pair};
use latchkey_transport::BindAddress;
use latchkey_transport::tls::{Protocol, SettingFile, TlsFiles};

fn http_state(stage: Stage) -> (watch::Sender<Stage>, HttpState) {
    let (sender, stage) = watch::channel(stage);
    let endpoints: EndpointHandler = Arc::new(|_, _| Box::pin(async { None }));
    let metrics: MetricsRenderer = Arc::new(|| "up 1\n".to_owned());
    (sender, HttpState { stage, cache: Arc::new(ReplicaCache::new(1 << 20)), endpoints, metrics })
}

async fn get(stage: Stage, path: &str) -> String {
    get_from(ServedPaths::All, stage, path).await
}

const ONE: ConnectionLimits = ConnectionLimits { open: 1, max_idle: None, send_buffer: 64 * 1024 };

async fn get_from(paths: ServedPaths, stage: Stage, path: &str) -> String {
    let address = "127.0.0.1:0".parse().unwrap();
    let listener = Arc::new(Listener::bind("http", &BindAddress::Tcp(address), ONE).unwrap());
    let ((_stage, state), (_stop, stopping)) = (http_state(stage), watch::channel(false));
    let mut client = TcpStream::connect(listener.tcp_address().unwrap()).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    client.write_all(request.as_bytes()).await.unwrap();
    let mut response = String::new();
    tokio::select! {
        () = serve(listener, None, state, paths, stopping) => unreachable!("the server runs until it is dropped"),
        read = client.read_to_string(&mut response) => drop(read.unwrap()),
    }
    response
}

#[tokio::test]
async fn readiness_says_what_it_waits_for() {
    let waiting = get(Stage::Starting("the database does not respond".into()), "/readyz").await;
    assert!(
        waiting.starts_with("HTTP/1.1 503") && waiting.contains("the database does not respond"),
        "{waiting}"
    );
    assert!(get(Stage::Ready, "/readyz").await.starts_with("HTTP/1.1 200"));
    let limited = get(Stage::Limited("look-ups are refused".into()), "/readyz").await;
    assert!(limited.starts_with("HTTP/1.1 200") && limited.contains("look-ups are refused"), "{limited}");
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
async fn a_key_set_of_no_profile_is_not_the_key_set_of_all() {
    for (query, status) in [
        ("profile=shop", "404"),
        ("profile=", "400"),
        ("profile=shop&profile=other", "400"),
        ("Profile=shop", "400"),
        ("%70rofile=shop", "400"),
        ("", "400"),
        ("v=1", "400"),
    ] {
        let set = get(Stage::Ready, &format!("/.well-known/jwks.json?{query}")).await;
        assert!(set.starts_with(&format!("HTTP/1.1 {status}")), "{query}: {set}");
        assert!(!set.contains("cache-control"), "{query}: {set}");
    }
}

#[tokio::test]
async fn metrics_are_served_before_the_process_is_ready() {
    let body = get(Stage::Starting(String::new()), "/metrics").await;
    assert!(body.starts_with("HTTP/1.1 200") && body.ends_with("up 1\n"), "{body}");
    assert!(body.contains("content-type: text/plain; version=0.0.4"), "{body}");
}

#[tokio::test]
async fn probes_are_served_by_the_admin_port_alone_if_there_is_one() {
    for (path, admin, products) in [
        ("/livez", "200", "404"),
        ("/readyz", "200", "404"),
        ("/metrics", "200", "404"),
        ("/.well-known/jwks.json", "404", "200"),
        ("/v1/keys", "404", "404"),
    ] {
        for (paths, status) in [(ServedPaths::Admin, admin), (ServedPaths::Products, products)] {
            let response = get_from(paths, Stage::Ready, path).await;
            assert_eq!(response.get(9..12), Some(status), "{paths:?} {path}");
        }
    }
}

#[tokio::test]
async fn a_request_that_envoy_lets_in_is_read_whole() {
    let long = get(Stage::Ready, &format!("/livez?x={}", "a".repeat(60 * 1024))).await;
    assert!(long.starts_with("HTTP/1.1 200"), "{long}");
    let headers: Vec<String> = (0..200).map(|n| format!("\r\nx-{n}: {}", "a".repeat(500))).collect();
    let many = get(Stage::Ready, &format!("/livez HTTP/1.1{}\r\nx-last:", headers.concat())).await;
    assert!(many.starts_with("HTTP/1.1 200"), "{many}");
}

#[tokio::test]
async fn any_other_path_is_a_404_in_json() {
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
    let listener =
        Arc::new(Listener::bind("http", &BindAddress::Tcp("127.0.0.1:0".parse().unwrap()), ONE).unwrap());
    let mut client = TcpStream::connect(listener.tcp_address().unwrap()).await.unwrap();
    client.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    let over = async {
        drop(client.read_to_end(&mut Vec::new()).await);
        while listener.stats().open() > 0 {
            tokio::task::yield_now().await;
        }
    };
    let ((_stage, state), (_stop, stopping)) = (http_state(Stage::Ready), watch::channel(false));
    tokio::select! {
        () = serve(listener.clone(), Some(tls), state, ServedPaths::All, stopping) => unreachable!("the server runs until it is dropped"),
        over = timeout(Duration::from_mins(1), over) => over.expect("the connection is closed"),
    }
    assert_eq!(listener.stats().outcomes(), [0, 1]);
}
