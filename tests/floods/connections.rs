//! Connections that use up the connection limit: silent ones, idle ones, those of one client, and clients that do not
//! read.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::Duration;

use latchkey_testing::{Request, Setup};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpSocket;

use crate::frames::{
    ACK, DATA, END, HEADERS, PING, PREFACE, SETTINGS, WHOLE, call, call_to, frame, next, open, tcp,
};
use crate::{passes, shop};

/// Time that is shorter than the one after which a connection whose calls began long ago is closed, 90 seconds.
const BEFORE_THEY_END: Duration = Duration::from_secs(80);

#[tokio::test(flavor = "multi_thread")]
async fn silent_connections_are_closed_and_make_room() {
    let (latchkey, key) = shop(Setup::default().environment("LATCHKEY_MAX_CONNECTIONS", "8")).await;
    let silent: Vec<TcpStream> = (0..10)
        .map(|_| TcpStream::connect(("127.0.0.1", latchkey.grpc())).expect("the kernel's queue has room"))
        .collect();
    assert!(passes(&latchkey, &key).await, "the caller that waits behind them is answered");
    for mut one in silent {
        one.set_read_timeout(Some(Duration::from_secs(60))).expect("a limit");
        // The first frames of the server may still be read; then the connection is closed.
        let ended = one.read_to_end(&mut Vec::new());
        assert!(!ended.is_err_and(|e| e.kind() == std::io::ErrorKind::WouldBlock), "a silent one is kept");
    }
}

/// Opens a connection that answers every PING until it is closed. If it is `busy`, it also sends calls from time to
/// time.
fn living(port: u16, busy: bool) -> thread::JoinHandle<()> {
    let stream = open(port);
    let mut writer = stream.try_clone().expect("a second handle");
    if busy {
        thread::spawn(move || {
            for id in (1..20_000).step_by(2) {
                // An empty message: a Check without fields, which is denied.
                let ask = [frame(HEADERS, WHOLE, id, &call()), frame(DATA, END, id, &[0; 5])].concat();
                if writer.write_all(&ask).is_err() {
                    return;
                }
                thread::sleep(Duration::from_millis(20));
            }
        });
    }
    answering(stream)
}

/// Answers every PING of a connection until it is closed.
fn answering(mut stream: TcpStream) -> thread::JoinHandle<()> {
    thread::spawn(move || {
        while let Some(one) = next(&mut stream) {
            let answer = match one.kind {
                PING if one.flags & ACK == 0 => frame(PING, ACK, 0, &one.payload),
                SETTINGS if one.flags & ACK == 0 => frame(SETTINGS, ACK, 0, &[]),
                _ => continue,
            };
            if stream.write_all(&answer).is_err() {
                return;
            }
        }
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn idle_connections_that_prove_that_they_live_make_room() {
    let (latchkey, key) = shop(Setup::default().environment("LATCHKEY_MAX_CONNECTIONS", "8")).await;
    let port = latchkey.grpc();
    let idle: Vec<_> = (0..24).map(|_| living(port, false)).collect();
    for _ in 0..5 {
        assert!(passes(&latchkey, &key).await, "a new client is answered");
    }
    latchkey.kill();
    for one in idle {
        one.join().expect("it ends");
    }
}

/// Opens a connection that watches the server's health, and answers every PING until it is closed.
fn watching(port: u16) -> thread::JoinHandle<()> {
    let mut stream = open(port);
    let head = call_to("/grpc.health.v1.Health/Watch");
    let ask = [frame(HEADERS, WHOLE, 1, &head), frame(DATA, END, 1, &[0; 5])].concat();
    stream.write_all(&ask).expect("it is taken");
    while next(&mut stream).expect("it is answered").kind != HEADERS {}
    answering(stream)
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_only_watch_health_make_room() {
    let (latchkey, key) = shop(Setup::default().environment("LATCHKEY_MAX_CONNECTIONS", "8")).await;
    let port = latchkey.grpc();
    let watching: Vec<_> = (0..8).map(|_| watching(port)).collect();
    for _ in 0..3 {
        let answer = tokio::time::timeout(BEFORE_THEY_END, passes(&latchkey, &key)).await;
        assert!(answer.expect("a new client is served before they end"));
    }
    latchkey.kill();
    for one in watching {
        one.join().expect("it ends");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_of_another_address_gets_room_beside_one_that_uses_all_connections() {
    let (latchkey, _) = shop(Setup::default().environment("LATCHKEY_MAX_CONNECTIONS", "8")).await;
    let port = latchkey.grpc();
    let busy: Vec<_> = (0..12).map(|_| living(port, true)).collect();
    let other = TcpSocket::new_v4().expect("a socket");
    other.bind(SocketAddr::from(([127, 0, 0, 2], 0))).expect("another address");
    let mut other = other.connect(SocketAddr::from(([127, 0, 0, 1], port))).await.expect("it listens");
    let begin = [PREFACE, &frame(SETTINGS, 0, 0, &[])].concat();
    other.write_all(&begin).await.expect("it is taken");
    let mut head = [0; 9];
    let read = tokio::time::timeout(BEFORE_THEY_END, other.read_exact(&mut head)).await;
    read.expect("it is served before the others end").expect("it is served");
    assert_eq!(head[3], SETTINGS);
    latchkey.kill();
    for one in busy {
        one.join().expect("it ends");
    }
}

/// Opens as many connections as the HTTP port accepts, requests more on each than fits into its buffers, and reads
/// nothing.
fn that_do_not_read(port: u16) -> Vec<TcpStream> {
    let many = "GET /metrics HTTP/1.1\r\nhost: x\r\n\r\n".repeat(100);
    let ask = |_| {
        let mut stream = tcp(port);
        let _sent = stream.write_all(many.as_bytes());
        stream
    };
    (0..256).map(ask).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_that_do_not_read_metrics_do_not_keep_probes_from_their_answer() {
    let (latchkey, _) = shop(Setup::default()).await;
    let silent = that_do_not_read(latchkey.http());
    for _ in 0..3 {
        assert_eq!(Request::get("127.0.0.1", "/livez").send(latchkey.http()).status, 200);
    }
    drop(silent);
}

#[tokio::test(flavor = "multi_thread")]
async fn probes_have_a_port_of_their_own_where_one_is_set() {
    let admin = latchkey_testing::free_port();
    let setup = Setup::default().environment("LATCHKEY_ADMIN_ADDR", &format!("127.0.0.1:{admin}"));
    let latchkey = setup.shipped("demo").launch();
    let status = |port: u16, path: &str| Request::get("127.0.0.1", path).send(port).status;
    latchkey_testing::eventually("it is ready", || {
        (TcpStream::connect(("127.0.0.1", admin)).is_ok() && status(admin, "/readyz") == 200).then_some(())
    });
    for path in ["/livez", "/readyz", "/metrics"] {
        assert_eq!((status(admin, path), status(latchkey.http(), path)), (200, 404), "{path}");
    }
    let jwks = "/.well-known/jwks.json";
    assert_eq!((status(admin, jwks), status(latchkey.http(), jwks)), (404, 200));
}
