//! Metrics of connections: each is counted once on arrival, as accepted or refused, and is among the open ones until
//! it ends, in whatever way.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpStream};

use latchkey_testing::{Ca, Folder, Latchkey, Request, Setup, eventually, free_port};
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint};

use crate::scrape::Scrape;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

fn open(latchkey: &Latchkey, listener: &str) -> u64 {
    Scrape::of(latchkey).count("latchkey_connections", &[("listener", listener)])
}

/// Returns the numbers of accepted and of refused connections.
fn connection_counts(latchkey: &Latchkey, listener: &str) -> (u64, u64) {
    let scrape = Scrape::of(latchkey);
    let count =
        |outcome| scrape.count("latchkey_connections_total", &[("listener", listener), ("outcome", outcome)]);
    (count("accepted"), count("handshake_error"))
}

fn until_open(latchkey: &Latchkey, listener: &str, count: u64) {
    eventually(&format!("{count} connections of {listener} are open"), || {
        (open(latchkey, listener) == count).then_some(())
    });
}

fn connect(port: u16, first: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("it listens");
    stream.write_all(first).expect("it reads");
    stream
}

#[test]
fn a_connection_is_open_until_it_ends_whichever_way() {
    let latchkey = Setup::default().start();
    assert_eq!((open(&latchkey, "grpc"), connection_counts(&latchkey, "grpc")), (0, (0, 0)));
    let mut streams: Vec<TcpStream> = (0..4).map(|_| connect(latchkey.grpc(), PREFACE)).collect();
    streams.push(connect(latchkey.grpc(), b""));
    until_open(&latchkey, "grpc", 5);
    // A silent connection; one without HTTP/2, which the server closes; one that the client closes; one that is reset,
    // since it ends with the server's settings unread; and one that ends in the middle of a frame.
    drop(streams.pop());
    until_open(&latchkey, "grpc", 4);
    streams.push(connect(latchkey.grpc(), b"GET / HTTP/1.1\r\nhost: latchkey\r\n\r\n"));
    until_open(&latchkey, "grpc", 4);
    streams[0].shutdown(Shutdown::Write).expect("it can be ended");
    until_open(&latchkey, "grpc", 3);
    assert!(streams[1].peek(&mut [0]).expect("the server speaks") > 0);
    drop(streams.remove(1));
    until_open(&latchkey, "grpc", 2);
    streams[1].write_all(b"\0\0\x09").expect("it reads");
    drop(streams);
    until_open(&latchkey, "grpc", 0);
    assert_eq!(connection_counts(&latchkey, "grpc"), (6, 0));
}

#[test]
fn each_listener_is_exported_with_its_name_and_bound() {
    let management = free_port();
    let setup = Setup::default().environment("LATCHKEY_MAX_CONNECTIONS", "3");
    let alone = setup.clone().start();
    let latchkey = setup.environment("LATCHKEY_MANAGEMENT_ADDR", &format!("127.0.0.1:{management}")).start();
    let limits = |latchkey: &Latchkey| {
        let scrape = Scrape::of(latchkey);
        let mine = scrape.series.iter().filter(|((name, _), _)| name == "latchkey_connections_limit");
        mine.map(|((_, labels), most)| (labels["listener"].clone(), *most)).collect::<Vec<_>>()
    };
    let output =
        |names: &[(&str, f64)]| names.iter().map(|(n, most)| ((*n).to_owned(), *most)).collect::<Vec<_>>();
    assert_eq!(limits(&alone), output(&[("grpc", 3.0), ("http", 256.0)]));
    assert_eq!(limits(&latchkey), output(&[("grpc", 3.0), ("http", 256.0), ("management", 3.0)]));
    let held: Vec<TcpStream> = (0..3).map(|_| connect(management, PREFACE)).collect();
    until_open(&latchkey, "management", 3);
    // A connection over the limit waits until an idle one is closed.
    let _waiting = connect(management, PREFACE);
    until_counted(&latchkey, "management", (4, 0));
    until_open(&latchkey, "management", 3);
    assert_eq!(open(&latchkey, "grpc"), 0);
    drop(held);
    until_open(&latchkey, "management", 1);
    assert_eq!(connection_counts(&latchkey, "management"), (4, 0));
    // The scraper's own connection is counted too.
    let scraped = || {
        let page = Request::get("127.0.0.1", "/metrics").send(latchkey.http()).body;
        let line = "latchkey_connections_total{listener=\"http\",outcome=\"accepted\"} ";
        let output = page.lines().find_map(|have| have.strip_prefix(line)).expect("a count");
        output.parse::<u64>().expect("a number")
    };
    eventually("each scrape is counted once", || (scraped() + 1 == scraped()).then_some(()));
    assert_eq!(connection_counts(&latchkey, "http").1, 0);
    until_open(&latchkey, "http", 1);
}

/// Waits until these numbers of connections are counted. The server may still be finishing a handshake that
/// the client has ended.
fn until_counted(latchkey: &Latchkey, listener: &str, accepted_and_refused: (u64, u64)) {
    let output = || (connection_counts(latchkey, listener) == accepted_and_refused).then_some(());
    eventually("everybody is counted", output);
}

/// Connects as a client that trusts this CA.
async fn shake(port: u16, ca: &Ca) -> Option<Channel> {
    let tls = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(ca.pem()));
    let endpoint = Endpoint::from_shared(format!("https://localhost:{port}")).expect("an address");
    endpoint.tls_config(tls).expect("a usable certificate").connect().await.ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handshake_that_fails_is_refused_and_leaves_nothing_open() {
    let (folder, ca) = (Folder::new("connections"), Ca::new());
    let pair = ca.issue(&["localhost", "127.0.0.1"]);
    let path = |name: &str, text: &str| folder.write(name, text).display().to_string();
    let latchkey = Setup::default()
        .environment("LATCHKEY_TLS_CERT", &path("cert.pem", &pair.cert))
        .environment("LATCHKEY_TLS_KEY", &path("key.pem", &pair.key))
        .start();
    let port = latchkey.grpc();
    let friend = shake(port, &ca).await.expect("it is trusted");
    until_open(&latchkey, "grpc", 1);
    until_counted(&latchkey, "grpc", (1, 0));
    assert!(shake(port, &Ca::new()).await.is_none(), "another CA's server");
    until_open(&latchkey, "grpc", 1);
    until_counted(&latchkey, "grpc", (1, 1));
    // Plain text is rejected, and the connection ends.
    let mut plain = connect(port, PREFACE);
    let _ = plain.read_to_end(&mut Vec::new());
    until_open(&latchkey, "grpc", 1);
    // A connection that has not sent anything yet is open, and neither accepted nor refused.
    let silent = connect(port, b"");
    until_open(&latchkey, "grpc", 2);
    until_counted(&latchkey, "grpc", (1, 2));
    drop(silent);
    until_open(&latchkey, "grpc", 1);
    drop(friend);
    until_open(&latchkey, "grpc", 0);
    until_counted(&latchkey, "grpc", (1, 3));
}
