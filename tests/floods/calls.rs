//! Calls that hold memory: messages that never end, and responses that are never read.

use std::collections::HashSet;
use std::io::Write as _;
use std::net::TcpStream;
use std::thread;

use latchkey_testing::{Latchkey, Setup, eventually_async};
use tonic::client::Grpc;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Status, Streaming};
use tonic_prost::ProstCodec;

use crate::frames::{
    ACK, DATA, END, Frame, HEADERS, PING, RESET, SETTINGS, WHOLE, call, call_to, frame, next, open,
};
use crate::{passes, shop};

/// Path of the call whose response is a stream without an end.
const WATCH: &str = "/grpc.health.v1.Health/Watch";

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
    let mut over = HashSet::new();
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
            Some(Frame { kind: PING, flags, payload, .. }) if flags & ACK == 0 => {
                drop(stream.write_all(&frame(PING, ACK, 0, &payload)));
            }
            Some(_) => {}
            None => break,
        }
    }
    assert_eq!(given_up, 500);
}

/// Asks for `count` streams that have no end: each watches the server's health. Waits until each is answered or refused, and
/// returns the connection with the number of those that are open.
fn watches(port: u16, count: u32) -> (TcpStream, usize) {
    let mut stream = open(port);
    let head = call_to(WATCH);
    for number in 0..count {
        let id = 2 * number + 1;
        let ask = [frame(HEADERS, WHOLE, id, &head), frame(DATA, END, id, &[0; 5])].concat();
        stream.write_all(&ask).expect("it is taken");
    }
    let (mut answered, mut refused) = (HashSet::new(), HashSet::new());
    while answered.len() < count as usize {
        let Frame { kind, flags, stream: id, payload } = next(&mut stream).expect("it goes on");
        match kind {
            RESET | HEADERS => {
                if kind == RESET || flags & END != 0 {
                    refused.insert(id);
                }
                answered.insert(id);
            }
            PING if flags & ACK == 0 => drop(stream.write_all(&frame(PING, ACK, 0, &payload))),
            SETTINGS if flags & ACK == 0 => drop(stream.write_all(&frame(SETTINGS, ACK, 0, &[]))),
            _ => {}
        }
    }
    (stream, answered.difference(&refused).count())
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_without_an_end_are_few_and_leave_room_for_calls_that_wait() {
    let (latchkey, key) = shop(Setup::default()).await;
    let (port, before) = (latchkey.grpc(), memory(&latchkey));
    let streams: Vec<_> = (0..33).map(|_| thread::spawn(move || watches(port, 1_000))).collect();
    let streams: Vec<_> = streams.into_iter().map(|one| one.join().expect("it is answered")).collect();
    for (_, open) in &streams {
        assert_eq!(*open, 4, "each connection has a few");
    }
    let grown = memory(&latchkey).saturating_sub(before);
    assert!(grown < 256 * 1024, "{grown} KiB more");
    assert!(passes(&latchkey, &key).await);
    let _ = latchkey.operator().tenant("other", "demo", "").await;
    drop(streams);
}

/// Opens a stream that watches the server's health.
async fn watch(channel: &Channel) -> Result<Streaming<()>, Status> {
    let mut client = Grpc::new(channel.clone());
    client.ready().await.expect("it listens");
    let path = PathAndQuery::from_static(WATCH);
    let codec = ProstCodec::<(), ()>::default();
    Ok(client.server_streaming(Request::new(()), path, codec).await?.into_inner())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_too_many_is_refused_with_the_bound_and_the_end_of_one_makes_room() {
    let latchkey = Setup::default().shipped("demo").start();
    let address = format!("http://127.0.0.1:{}", latchkey.grpc());
    let channel = || Endpoint::from_shared(address.clone()).expect("an address").connect_lazy();
    let (one, other) = (channel(), channel());
    let mut streams = Vec::new();
    for _ in 0..4 {
        streams.push(watch(&one).await.expect("there is room"));
    }
    let refused = watch(&one).await.expect_err("there is no room");
    assert_eq!(refused.code(), Code::ResourceExhausted);
    assert!(refused.message().contains("a connection may have 4"), "{refused:?}");
    assert!(watch(&other).await.is_ok(), "another connection has room");
    drop(streams.pop());
    let stream = eventually_async("there is room again", async || watch(&one).await.ok()).await;
    drop((streams, stream));
}
