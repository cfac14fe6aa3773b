//! Tests of valid, invalid and malicious compressed bodies.

use std::io::Write as _;
use std::sync::atomic::{AtomicUsize, Ordering};

use flate2::Compression;
use flate2::write::GzEncoder;
use http_body_util::{BodyExt as _, StreamBody};
use tokio_stream::StreamExt as _;
use tonic::Code;

use super::*;

fn gzip(message: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(message).unwrap();
    encoder.finish().unwrap()
}

fn framed(flag: u8, message: &[u8]) -> Vec<u8> {
    let mut frame = prefix(message.len()).to_vec();
    frame[0] = flag;
    [frame, message.to_vec()].concat()
}

/// Returns what the services read of a body that arrives in these pieces.
async fn read(path: &str, encoding: &str, pieces: &[&[u8]]) -> Result<Vec<u8>, Status> {
    let frames: Vec<_> =
        pieces.iter().map(|piece| Ok::<_, Status>(Frame::data(Bytes::copy_from_slice(piece)))).collect();
    let body = Body::new(StreamBody::new(tokio_stream::iter(frames)));
    let request = Request::post(path).header(ENCODING, encoding).body(body).unwrap();
    let (request, _unpacked) = decompress(request, PendingCalls::leak())?;
    Ok(request.into_body().collect().await?.to_bytes().to_vec())
}

const CHECK: &str = "/latchkey.v1.CheckService/Check";
const LIST: &str = "/latchkey.v1.KeyService/ListKeys";

#[tokio::test]
async fn messages_are_decompressed_however_they_arrive() {
    let text = b"a message of some length ".repeat(50);
    let frame = framed(1, &gzip(&text));
    let plain = framed(0, &text);
    assert_eq!(read(CHECK, "gzip", &[&frame]).await.unwrap(), plain);
    let bytes: Vec<&[u8]> = frame.chunks(1).collect();
    assert_eq!(read(LIST, "gzip", &bytes).await.unwrap(), plain);
    assert_eq!(read(LIST, "gzip", &[&plain]).await.unwrap(), plain, "an uncompressed one");
    assert_eq!(read(LIST, "gzip", &[&framed(1, &gzip(b""))]).await.unwrap(), framed(0, b""));
}

#[tokio::test]
async fn a_compressed_call_has_one_message() {
    let (first, second) = (framed(1, &gzip(b"first")), framed(1, &gzip(b"second")));
    for pieces in [[&first[..], &second].as_slice(), &[&[first.clone(), second.clone()].concat()]] {
        assert_eq!(read(LIST, "gzip", pieces).await.unwrap(), framed(0, b"first"));
    }
}

#[tokio::test]
async fn many_compressed_messages_cost_no_more_than_one() {
    let calls = PendingCalls::leak();
    let (largest, polled) = (framed(1, &gzip(&vec![0; MAX_MESSAGE_BYTES])), Arc::new(AtomicUsize::new(0)));
    let count = Arc::clone(&polled);
    let frames = tokio_stream::iter(0..1_000_000).map(move |_| {
        count.fetch_add(1, Ordering::Relaxed);
        Ok::<_, Status>(Frame::data(Bytes::from(largest.clone())))
    });
    let body = Body::new(StreamBody::new(frames));
    let request = Request::post(LIST).header(ENCODING, "gzip").body(body).unwrap();
    let (request, unpacked) = decompress(request, calls).unwrap();
    let read = request.into_body().collect().await.unwrap().to_bytes();
    assert_eq!((read.len(), polled.load(Ordering::Relaxed)), (PREFIX_BYTES + MAX_MESSAGE_BYTES, 1));
    assert!(!UnpackedBytes::new(calls).add(61 * 1024 * 1024), "the message counts until the response");
    drop(unpacked);
    assert!(UnpackedBytes::new(calls).add(61 * 1024 * 1024));
}

#[tokio::test]
async fn a_message_has_one_member_of_gzip() {
    for rest in [gzip(b"more"), gzip(b"").repeat(1_000), b"garbage".to_vec()] {
        let error =
            read(LIST, "gzip", &[&framed(1, &[gzip(b"a message"), rest].concat())]).await.unwrap_err();
        assert_eq!(error.code(), Code::Internal);
        assert!(error.message().contains("after its end"), "{error:?}");
    }
}

const REFLECTION: &str = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo";

#[tokio::test]
async fn each_message_of_a_stream_is_decompressed() {
    for path in [REFLECTION, "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"] {
        let stream = [framed(1, &gzip(b"first")), framed(0, b"plain"), framed(1, &gzip(b"second"))].concat();
        let plain = [framed(0, b"first"), framed(0, b"plain"), framed(0, b"second")].concat();
        let bytes: Vec<&[u8]> = stream.chunks(3).collect();
        assert_eq!(read(path, "gzip", &bytes).await.unwrap(), plain, "{path}");
        assert_eq!(read(path, "gzip", &[&stream]).await.unwrap(), plain, "{path}");
    }
}

#[tokio::test]
async fn the_messages_of_a_stream_are_bounded_together() {
    let size = MAX_STREAM_BYTES - STREAM_MESSAGE_BYTES;
    let largest = framed(1, &gzip(&vec![0; size]));
    assert_eq!(read(REFLECTION, "gzip", &[&largest]).await.unwrap(), framed(0, &vec![0; size]));
    let plain = [largest.clone(), framed(0, &vec![0; MAX_STREAM_BYTES])].concat();
    let read_plain = read(REFLECTION, "gzip", &[&plain]).await.unwrap();
    assert_eq!(
        read_plain.len(),
        2 * PREFIX_BYTES + size + MAX_STREAM_BYTES,
        "an uncompressed message has its own bound"
    );
    let empty = framed(1, &gzip(b"")).repeat(MAX_STREAM_BYTES / STREAM_MESSAGE_BYTES + 1);
    let bombs = [
        [largest, framed(1, &gzip(b""))].concat(),
        framed(1, &gzip(&vec![0; size + 1])),
        framed(1, &gzip(&vec![0; MAX_MESSAGE_BYTES])),
        framed(1, &gzip(b"x").repeat(MAX_STREAM_BYTES)),
        empty,
    ];
    for bomb in bombs {
        let error = read(REFLECTION, "gzip", &[&bomb]).await.unwrap_err();
        assert_eq!(error.code(), Code::ResourceExhausted, "{error:?}");
    }
}

#[tokio::test]
async fn a_message_is_bounded_by_its_real_size() {
    for (path, limit) in [(CHECK, latchkey_grpc::MAX_CHECK_BYTES), (LIST, MAX_MESSAGE_BYTES)] {
        let largest = vec![7; limit];
        let whole = read(path, "gzip", &[&framed(1, &gzip(&largest))]).await.unwrap();
        assert_eq!(whole.len(), PREFIX_BYTES + limit);
        for bomb in [vec![0; limit + 1], vec![0; 64 * 1024 * 1024]] {
            let refused = read(path, "gzip", &[&framed(1, &gzip(&bomb))]).await.unwrap();
            assert_eq!(refused, prefix(MAX_MESSAGE_BYTES + 1), "a length alone, which no service takes");
        }
        let announced = [&[1][..], &u32::MAX.to_be_bytes()].concat();
        assert_eq!(read(path, "gzip", &[&announced]).await.unwrap(), prefix(MAX_MESSAGE_BYTES + 1));
    }
}

#[tokio::test]
async fn data_that_cannot_be_compressed_may_have_the_largest_size_too() {
    let mut seed = 7_u64;
    let mut random = || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        seed.to_be_bytes()[0]
    };
    let message: Vec<u8> = (0..latchkey_grpc::MAX_CHECK_BYTES).map(|_| random()).collect();
    let frame = framed(1, &gzip(&message));
    assert!(frame.len() > message.len());
    assert_eq!(read(CHECK, "gzip", &[&frame]).await.unwrap(), framed(0, &message));
}

#[tokio::test]
async fn damaged_data_is_an_error_and_a_part_of_a_message_is_passed_on() {
    let whole = gzip(b"a message");
    let mut damaged = whole.clone();
    *damaged.last_mut().unwrap() ^= 1;
    for bad in [b"no gzip".to_vec(), whole[..12].to_vec(), damaged] {
        let error = read(LIST, "gzip", &[&framed(1, &bad)]).await.unwrap_err();
        assert!(error.code() == Code::Internal && error.message().contains("gzip"), "{error:?}");
    }
    let part = &framed(1, &whole)[..10];
    assert_eq!(read(LIST, "gzip", &[part]).await.unwrap(), part);
}

#[tokio::test]
async fn another_encoding_is_named_with_the_choices() {
    for encoding in ["deflate", "zstd", "br", "gzip, identity", "GZIP"] {
        let error = read(LIST, encoding, &[]).await.unwrap_err();
        assert_eq!(error.code(), Code::Unimplemented, "{encoding}");
        assert!(error.message().contains(encoding) && error.message().contains("\"gzip\""), "{error:?}");
        assert_eq!(error.metadata().get(ACCEPT_ENCODING).unwrap(), "identity,gzip");
    }
    let plain = framed(0, b"x");
    assert_eq!(read(LIST, "identity", &[&plain]).await.unwrap(), plain);
}
