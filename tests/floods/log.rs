//! Lines of the log while clients without a key send floods of garbage.

use latchkey_testing::{Ca, Folder, Latchkey, Setup, free_port};
use tokio::time::Instant;

use crate::frames::{ACK, HEADERS, PING, PREFACE, RESET, SETTINGS, WHOLE, Wire, call, frame, tcp, tls};

/// Unsolicited frames, each with the number of times that it is sent.
fn floods(times: u32) -> Vec<(&'static str, Vec<u8>)> {
    let begin = [PREFACE, &frame(SETTINGS, 0, 0, &[])].concat();
    let ids = || (0..times).map(|number| 2 * number + 1);
    let repeated = |frames: &dyn Fn(u32) -> Vec<u8>| {
        ids().fold(begin.clone(), |mut all, id| {
            all.extend(frames(id));
            all
        })
    };
    let depends_on_itself = |id: u32| {
        let block = [&id.to_be_bytes()[..], &[16], &call()].concat();
        frame(HEADERS, WHOLE | 0x20, id, &block)
    };
    vec![
        ("answers to pings that were not sent", repeated(&|_| frame(PING, ACK, 0, &[7; 8]))),
        (
            "streams that are reset",
            repeated(&|id| [frame(HEADERS, WHOLE, id, &call()), frame(RESET, 0, id, &[0; 4])].concat()),
        ),
        ("streams that depend on themselves", repeated(&depends_on_itself)),
        ("frames of an unknown kind", repeated(&|id| frame(0xee, 0xff, id, &[1; 3]))),
        ("windows of nothing", repeated(&|_| frame(8, 0, 0, &[0; 4]))),
        (
            "settings that are not valid",
            repeated(&|_| frame(SETTINGS, 0, 0, &[0, 4, 0xff, 0xff, 0xff, 0xff])),
        ),
        ("header blocks that are none", repeated(&|id| frame(HEADERS, WHOLE, id, &[0xff; 9]))),
        ("a preface that is none", [b"PRI * HTTP/2.1\r\n\r\nSM\r\n\r\n", &[0; 99][..]].concat()),
        ("HTTP/1", b"GET / HTTP/1.1\r\nhost: x\r\n\r\n".repeat(3)),
        ("a request that is none", [&b"GET /"[..], &[0xff; 99], b" HTTP/9.9\r\n: \0\r\n\r\n"].concat()),
        ("garbage", vec![0x16; 4_096]),
    ]
}

/// Sends bytes on a connection of its own, and reads the server's response.
fn send(mut stream: impl Wire, bytes: &[u8]) {
    if stream.write_all(bytes).is_ok() && stream.flush().is_ok() {
        let mut answer = [0; 512];
        let _answered = stream.read(&mut answer);
    }
}

fn lines(latchkey: &Latchkey) -> usize {
    latchkey.log().lines().count()
}

fn setup(management: u16) -> Setup {
    Setup::default()
        .shipped("demo")
        .environment("RUST_LOG", "info")
        .environment("LATCHKEY_MANAGEMENT_ADDR", &format!("127.0.0.1:{management}"))
}

/// Sends every flood to every port, some of them twenty times, and compares the lines of the log.
fn flood(latchkey: &Latchkey, ports: &[(u16, &[u8])], ca: Option<&Ca>) {
    let (before, began) = (lines(latchkey), Instant::now());
    for (port, protocol) in ports {
        for (_, bytes) in floods(2_000) {
            send(tcp(*port), &bytes);
            if let Some(stream) = ca.and_then(|ca| tls(*port, ca, protocol).ok()) {
                send(stream, &bytes);
            }
        }
        for (name, bytes) in floods(20) {
            for _ in 0..20 {
                send(tcp(*port), &bytes);
                if let Some(stream) = ca.and_then(|ca| tls(*port, ca, protocol).ok()) {
                    send(stream, &bytes);
                }
            }
            assert!(latchkey.ended().is_none(), "{name}");
        }
    }
    // The log has a line for each cause, and at intervals one with its count. Without this limit, each of
    // these floods causes thousands of lines.
    let more = lines(latchkey) - before;
    let minutes = usize::try_from(began.elapsed().as_secs() / 60).expect("a short time");
    assert!(more < 100 + 20 * minutes, "{more} lines more:\n{}", latchkey.log());
}

#[test]
fn nothing_that_a_stranger_sends_in_plain_text_floods_the_log() {
    let management = free_port();
    let latchkey = setup(management).start();
    flood(&latchkey, &[(latchkey.grpc(), b"h2"), (management, b"h2"), (latchkey.http(), b"http/1.1")], None);
}

#[test]
fn nothing_that_a_stranger_sends_by_tls_floods_the_log() {
    let (folder, ca, management) = (Folder::new("certificates"), Ca::new(), free_port());
    let pair = ca.issue(&["localhost", "127.0.0.1"]);
    let path = |name: &str, text: &str| folder.write(name, text).display().to_string();
    let latchkey = setup(management)
        .environment("LATCHKEY_TLS_CERT", &path("cert.pem", &pair.cert))
        .environment("LATCHKEY_TLS_KEY", &path("key.pem", &pair.key))
        .environment("LATCHKEY_HTTP_TLS", "true")
        .launch();
    latchkey_testing::eventually("it is ready", || latchkey.log().contains("ready").then_some(()));
    let ports: [(u16, &[u8]); 3] =
        [(latchkey.grpc(), b"h2"), (management, b"h2"), (latchkey.http(), b"http/1.1")];
    flood(&latchkey, &ports, Some(&ca));
}
