//! Calls that hold memory: messages that never end, and responses that are never read.

use std::io::Write as _;
use std::net::TcpStream;
use std::thread;

use latchkey_testing::{Latchkey, Setup};

use crate::frames::{
    ACK, DATA, END, Frame, HEADERS, PING, RESET, SETTINGS, WHOLE, call, call_to, frame, next, open,
};
use crate::{passes, shop};

/// Begins `count` calls on a connection: the headers, and 25 bytes of a message that is longer.
fn without_end(port: u16, count: u32) -> TcpStream {
    let mut stream = open(port);
    let begun = [&[0, 0, 0, 1, 0][..], &[b'x'; 20]].concat();
    for number in 0..count {
        let id = 2 * number + 1;
        let frames = [frame(HEADERS, WHOLE, id, &call()), frame(DATA, 0, id, &begun)].concat();
        stream.write_all(&frames).expect("it is taken");
    }
    stream
}

/// Counts the streams that the server ends, until it has ended all of them or sends nothing more.
fn ended(stream: &mut TcpStream, count: usize) -> usize {
    let mut over = std::collections::HashSet::new();
    while over.len() < count {
        let Some(Frame { kind, flags, stream: id, payload }) = next(stream) else { break };
        match kind {
            RESET => drop(over.insert(id)),
            HEADERS if flags & END != 0 => drop(over.insert(id)),
            PING if flags & ACK == 0 => drop(stream.write_all(&frame(PING, ACK, 0, &payload))),
            SETTINGS if flags & ACK == 0 => drop(stream.write_all(&frame(SETTINGS, ACK, 0, &[]))),
            _ => {}
        }
    }
    over.len()
}

/// Returns the memory of the process in KiB.
fn memory(latchkey: &Latchkey) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", latchkey.pid())).expect("it lives");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("it has memory");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_whose_message_never_ends_are_ended_and_others_are_answered() {
    let (latchkey, key) = shop(Setup::default()).await;
    let mut streams: Vec<_> = (0..4).map(|_| without_end(latchkey.grpc(), 500)).collect();
    assert!(passes(&latchkey, &key).await);
    for stream in &mut streams {
        assert_eq!(ended(stream, 500), 500, "each of them has a deadline");
    }
    assert!(passes(&latchkey, &key).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn more_calls_than_the_process_takes_end_the_ones_that_waited_longest() {
    let (latchkey, key) = shop(Setup::default()).await;
    let before = memory(&latchkey);
    let mut streams: Vec<_> = (0..12).map(|_| without_end(latchkey.grpc(), 1_000)).collect();
    assert!(passes(&latchkey, &key).await, "a call that is ready needs no place");
    let grown = memory(&latchkey).saturating_sub(before);
    assert!(grown < 512 * 1024, "{grown} KiB more");
    for stream in &mut streams {
        assert_eq!(ended(stream, 1_000), 1_000);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn responses_that_are_never_taken_are_given_up() {
    let (latchkey, key) = shop(Setup::default()).await;
    let mut stream = open(latchkey.grpc());
    // SETTINGS_INITIAL_WINDOW_SIZE has the number 4; 0 permits no response.
    stream.write_all(&frame(SETTINGS, 0, 0, &[0, 4, 0, 0, 0, 0])).expect("it is taken");
    for number in 0..500 {
        let id = 2 * number + 1;
        let ask = [frame(HEADERS, WHOLE, id, &call()), frame(DATA, END, id, &[0; 5])].concat();
        stream.write_all(&ask).expect("it is taken");
    }
    assert!(passes(&latchkey, &key).await);
    let mut given_up = 0;
    while given_up < 500 {
        match next(&mut stream) {
            Some(Frame { kind: RESET, .. }) => given_up += 1,
            Some(_) => {}
            None => break,
        }
    }
    assert_eq!(given_up, 500);
}

/// Opens `count` streams that have no end: each watches the server's health. Waits until each is answered or refused, and
/// keeps them open.
fn watches(port: u16, count: u32) -> TcpStream {
    let mut stream = open(port);
    let head = call_to("/grpc.health.v1.Health/Watch");
    for number in 0..count {
        let id = 2 * number + 1;
        let ask = [frame(HEADERS, WHOLE, id, &head), frame(DATA, END, id, &[0; 5])].concat();
        stream.write_all(&ask).expect("it is taken");
    }
    let mut answered = std::collections::HashSet::new();
    while answered.len() < count as usize {
        let Frame { kind, flags, stream: id, payload } = next(&mut stream).expect("it goes on");
        match kind {
            RESET | HEADERS => drop(answered.insert(id)),
            PING if flags & ACK == 0 => drop(stream.write_all(&frame(PING, ACK, 0, &payload))),
            SETTINGS if flags & ACK == 0 => drop(stream.write_all(&frame(SETTINGS, ACK, 0, &[]))),
            _ => {}
        }
    }
    stream
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_without_an_end_leave_room_for_calls_that_wait() {
    let (latchkey, key) = shop(Setup::default()).await;
    let port = latchkey.grpc();
    let streams: Vec<_> = (0..33).map(|_| thread::spawn(move || watches(port, 1_000))).collect();
    let streams: Vec<_> = streams.into_iter().map(|one| one.join().expect("it is answered")).collect();
    assert!(passes(&latchkey, &key).await);
    let _ = latchkey.operator().tenant("other", "demo", "").await;
    drop(streams);
}
