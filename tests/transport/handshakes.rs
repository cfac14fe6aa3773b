//! Handshakes of WebSocket through the Envoy that `latchkey envoy-config` configures, with a real upgrade.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use latchkey_testing::{Setup, eventually};

use crate::envoy::{Front, key};

const DOCUMENT: &str = r#"
name = "demo"
[credential]
sources = ["header:x-api-key", "websocket:bearer"]
[[kinds]]
name = "secret"
default = true
prefixes = { live = "demo_live_" }
[[scopes]]
name = "things.read"
[[scopes]]
name = "api_keys.manage"
[[routes]]
path = "/**"
scopes = ["things.read"]
"#;

/// Starts a service. It answers a path that starts with /ws by an upgrade, and sends back what it gets then; it denies
/// every other path by 200. The receiver gets everything that reaches it, one connection at a time.
fn service() -> (u16, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = listener.local_addr().expect("an address").port();
    let (sender, seen) = channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (mut stream, sender) = (stream.expect("a connection"), sender.clone());
            std::thread::spawn(move || {
                let mut buffer = [0; 16 * 1024];
                let mut upgraded = false;
                while let Ok(length @ 1..) = stream.read(&mut buffer) {
                    let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
                    let answer = match (upgraded, text.starts_with("GET /ws")) {
                        (true, _) => text.clone(),
                        (false, true) => {
                            upgraded = true;
                            "HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\r\n".to_owned()
                        }
                        (false, false) => "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok".to_owned(),
                    };
                    // Data that the client sent before the response would have reached the service by now.
                    std::thread::sleep(Duration::from_millis(200));
                    let _ = sender.send(text);
                    if stream.write_all(answer.as_bytes()).is_err() {
                        return;
                    }
                }
            });
        }
    });
    (port, seen)
}

/// Sends a handshake, and text right after it. Returns the connection and the head of the response.
fn handshake(port: u16, path: &str, key: &str, early: &str) -> (TcpStream, String) {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("a connection");
    stream.set_read_timeout(Some(Duration::from_secs(30))).expect("a timeout");
    let head = format!(
        "GET {path} HTTP/1.1\r\nhost: api.example\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\
         sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
         sec-websocket-protocol: bearer, {key}\r\n\r\n{early}"
    );
    stream.write_all(head.as_bytes()).expect("it is sent");
    let mut answer = String::new();
    let mut byte = [0];
    while !answer.ends_with("\r\n\r\n") && matches!(stream.read(&mut byte), Ok(1)) {
        answer.push(char::from(byte[0]));
    }
    (stream, answer)
}

#[test]
fn a_handshake_passes_with_its_key_alone_and_nothing_passes_with_it() {
    let latchkey = Setup::default().profile("demo", DOCUMENT).start();
    let server = format!("127.0.0.1:{}", latchkey.grpc());
    let key = key(&latchkey, &server);
    let (service, seen) = service();
    let front = Front::of(DOCUMENT, Some(service), &["--latchkey", &server]);
    assert!(front.doctor().contains("0 errors"), "{}", front.doctor());
    eventually("Envoy reaches Latchkey", || (front.get("/x", &key).status == 200).then_some(()));
    let _ = seen.try_iter().count();

    let (mut stream, answer) = handshake(front.port, "/ws", &key, "");
    assert!(answer.starts_with("HTTP/1.1 101"), "{answer}");
    let head = seen.recv_timeout(Duration::from_secs(30)).expect("the handshake");
    assert!(head.contains("sec-websocket-protocol: bearer\r\n") && !head.contains(&key), "{head}");
    stream.write_all(b"a frame").expect("it is sent");
    let mut back = [0; 7];
    stream.read_exact(&mut back).expect("it comes back");
    assert_eq!(&back, b"a frame");
    let _ = seen.try_iter().count();

    let (_stream, answer) = handshake(front.port, "/ws", "demo_live_wrong", "");
    assert!(answer.starts_with("HTTP/1.1 401"), "{answer}");
    // A service that does not upgrade would serve the second request as if Latchkey had allowed it.
    let (_stream, answer) = handshake(front.port, "/plain", &key, "GET /hidden HTTP/1.1\r\nhost: x\r\n\r\n");
    assert!(!answer.starts_with("HTTP/1.1 101"), "{answer}");
    std::thread::sleep(Duration::from_millis(500));
    let all: Vec<String> = seen.try_iter().collect();
    assert!(all.len() == 1 && all[0].starts_with("GET /plain") && !all[0].contains("/hidden"), "{all:?}");
}
