//! Attacks on a port by the connection itself: many silent connections, streams that are opened and reset
//! at once, more streams than are offered. Each has a bound, and well-behaved clients are served meanwhile.
//! Frames are written by hand, since no library of ours would send these. Each attack ends by itself.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use latchkey_proto::v1::{CheckRequest, Decision};
use latchkey_testing::{Latchkey, Setup};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const HEADERS: u8 = 1;
const RESET: u8 = 3;
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;
/// The header block ends here; the stream does not.
const WHOLE: u8 = 4;
/// RFC 9113 section 7: the stream may be sent again, unharmed; a client that does this gets `ENHANCE_YOUR_CALM`.
const REFUSED: u32 = 7;
const CALM: u32 = 11;

async fn shop(setup: Setup) -> (Latchkey, String) {
    let latchkey = setup.shipped("demo").start();
    let operator = latchkey.operator();
    let _ = operator.tenant("acme", "demo", "").await;
    let (_, value) = operator.plain_key("acme", "live").await;
    (latchkey, value)
}

/// Asks over a connection of its own; the key may do this, and takes nothing from its bucket.
async fn passes(latchkey: &Latchkey, key: &str) -> bool {
    let (method, path) = ("GET".to_owned(), "/things".to_owned());
    let ask =
        CheckRequest { credential: key.to_owned(), method, path, dry_run: true, ..CheckRequest::default() };
    latchkey.anonymous().check(ask).await.decision() == Decision::Allow
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("a short frame").to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// A call's header block by HPACK, each field as a literal or by its number in the static table.
fn call() -> Vec<u8> {
    let path = b"/latchkey.v1.CheckService/Check";
    let length = u8::try_from(path.len()).expect("a short path");
    let [post, http, path_by_name, authority_by_name] = [0x83, 0x86, 0x04, 0x01];
    let mut block = vec![post, http, path_by_name, length];
    block.extend_from_slice(path);
    block.extend_from_slice(&[authority_by_name, 1, b'x']);
    let content_type = b"application/grpc";
    block.extend_from_slice(&[0x0f, 0x10, u8::try_from(content_type.len()).expect("a short type")]);
    block.extend_from_slice(content_type);
    block
}

fn open(port: u16) -> TcpStream {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("it listens");
    stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a limit");
    stream.set_write_timeout(Some(Duration::from_secs(20))).expect("a limit");
    stream.write_all(&[PREFACE, &frame(SETTINGS, 0, 0, &[])].concat()).expect("it reads");
    stream
}

/// The next frame: its kind and payload; none, where the connection is over.
fn next(stream: &mut TcpStream) -> Option<(u8, Vec<u8>)> {
    let mut head = [0; 9];
    stream.read_exact(&mut head).ok()?;
    let mut payload = vec![0; u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize];
    stream.read_exact(&mut payload).ok()?;
    Some((head[3], payload))
}

fn number(bytes: &[u8]) -> u32 {
    u32::from_be_bytes(bytes.try_into().expect("four bytes"))
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_say_nothing_are_let_go_and_make_room() {
    let (latchkey, key) = shop(Setup::default().environment("LATCHKEY_MAX_CONNECTIONS", "8")).await;
    let silent: Vec<TcpStream> = (0..10)
        .map(|_| TcpStream::connect(("127.0.0.1", latchkey.grpc())).expect("the kernel's queue has room"))
        .collect();
    assert!(passes(&latchkey, &key).await, "whoever waits behind them is answered");
    for mut one in silent {
        one.set_read_timeout(Some(Duration::from_secs(20))).expect("a limit");
        // What the server says first may still be read; then it is over.
        let ended = one.read_to_end(&mut Vec::new());
        assert!(!ended.is_err_and(|e| e.kind() == std::io::ErrorKind::WouldBlock), "a silent one is kept");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_resets_what_it_opens_is_cut_off_or_outlasted_and_others_are_answered() {
    let (latchkey, key) = shop(Setup::default()).await;
    let (port, over) = (latchkey.grpc(), Arc::new(AtomicBool::new(false)));
    let ends = Arc::clone(&over);
    let attacker = thread::spawn(move || {
        let mut opened = 0_u32;
        // So many at most, whatever becomes of the rest of the test.
        for _ in 0..50 {
            let mut stream = open(port);
            for id in (1..10_000).step_by(2) {
                let pair = [frame(HEADERS, WHOLE, id, &call()), frame(RESET, 0, id, &8_u32.to_be_bytes())];
                if ends.load(Ordering::Relaxed) || stream.write_all(&pair.concat()).is_err() {
                    break;
                }
                opened += 1;
            }
        }
        opened
    });
    for _ in 0..100 {
        assert!(passes(&latchkey, &key).await);
    }
    over.store(true, Ordering::Relaxed);
    let opened = attacker.join().expect("the attacker ends");
    assert!(opened > 1_000, "only {opened} streams were opened");
    assert!(passes(&latchkey, &key).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn more_streams_than_are_offered_are_refused_and_others_are_answered() {
    let (latchkey, key) = shop(Setup::default()).await;
    let mut stream = open(latchkey.grpc());
    let (kind, settings) = next(&mut stream).expect("its settings");
    assert_eq!(kind, SETTINGS);
    // SETTINGS_MAX_CONCURRENT_STREAMS is number 3.
    let offered = settings.chunks(6).find(|one| one[..2] == [0, 3]).map(|one| number(&one[2..]));
    assert_eq!(offered, Some(1_024));
    for n in 0..1_100 {
        let _cut_off = stream.write_all(&frame(HEADERS, WHOLE, 2 * n + 1, &call()));
    }
    let refused = loop {
        match next(&mut stream) {
            Some((RESET, payload)) => break number(&payload) == REFUSED,
            Some((GOAWAY, payload)) => break number(&payload[4..8]) == CALM,
            Some(_) => {}
            None => panic!("the connection ended without a word"),
        }
    };
    assert!(refused, "by the code that says so");
    assert!(passes(&latchkey, &key).await, "others are answered while the streams are open");
}
