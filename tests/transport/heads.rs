//! Heads of requests near the limits of the Envoy that `latchkey envoy-config` configures: the response is the product's
//! own, also where Envoy makes it.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use latchkey_testing::{Answer, Request, Setup, eventually, replace_once};
use serde_json::Value;

use crate::envoy::{Front, document, key};

/// Sends a request with a number of headers.
fn with_headers(front: &Front, key: &str, count: usize) -> Answer {
    let request = Request::get("api.example", "/things/1").header("x-api-key", key);
    (0..count).fold(request, |request, n| request.header(&format!("x-h{n}"), "1")).send(front.port)
}

#[test]
fn a_hundred_headers_pass_and_more_are_the_products_431() {
    let latchkey = Setup::default().profile("demo", &document()).start();
    let server = format!("127.0.0.1:{}", latchkey.grpc());
    let key = key(&latchkey, &server);
    let front = Front::of(&document(), None, &["--latchkey", &server]);
    eventually("Envoy reaches Latchkey", || (front.get("/things/1", &key).status == 200).then_some(()));
    for count in [60, 86, 90, 96] {
        assert_eq!(with_headers(&front, &key, count).status, 200, "{count}");
    }
    // The counts range from requests that Envoy accepts and cannot add Latchkey's headers to, up to requests
    // that it rejects.
    let statuses: Vec<u16> = (100..140)
        .step_by(2)
        .map(|count| {
            let answer = with_headers(&front, &key, count);
            if answer.status != 200 {
                assert_eq!(
                    (answer.status, answer.header("content-type")),
                    (431, Some("application/problem+json"))
                );
                let body: Value = serde_json::from_str(&answer.body).unwrap_or_else(|_| panic!("{answer:?}"));
                assert_eq!(body["status"], 431, "{body}");
                assert!(body["request_id"].as_str().is_some_and(|id| id.len() > 8), "{body}");
            }
            answer.status
        })
        .collect();
    assert_eq!((statuses[0], statuses[19]), (200, 431), "{statuses:?}");
}

#[test]
fn a_long_query_reaches_an_endpoint_of_the_product() {
    let rpc = "rpc = \"ListKeys\"\n";
    let document = replace_once(&document(), rpc, &format!("{rpc}other_parameters = \"ignore\"\n"));
    let latchkey = Setup::default().profile("demo", &document).start();
    let (server, http) = (format!("127.0.0.1:{}", latchkey.grpc()), format!("127.0.0.1:{}", latchkey.http()));
    let key = key(&latchkey, &server);
    let front = Front::of(&document, None, &["--latchkey", &server, "--latchkey-http", &http]);
    let path = format!("/things/keys/a?x={}", "a".repeat(50 * 1024));
    let listed = eventually("Envoy reaches Latchkey", || {
        let answer = front.get(&path, &key);
        (answer.status != 503).then_some(answer)
    });
    assert!(listed.status == 200 && listed.body.contains("first"), "{}", listed.status);
    let longer = front.get(&format!("/things/keys/a?x={}", "a".repeat(70 * 1024)), &key);
    assert_eq!(longer.status, 431);
    assert!(longer.body.contains("too large"), "{longer:?}");
}

#[test]
fn errors_of_envoy_itself_have_the_products_format() {
    let shipped = |name: &str| {
        let path = format!("{}/profiles/{name}.toml", env!("CARGO_MANIFEST_DIR"));
        std::fs::read_to_string(path).expect("a profile")
    };
    let away = format!("127.0.0.1:{}", latchkey_testing::free_port());
    for (name, host, code, outage) in [
        ("paykore", "api.paykore.dev", "/error/code=INVALID_REQUEST", "/error/http_status=503"),
        ("luxcore", "api.lux-core.io", "/error=Bad Request", "/error=Service Unavailable"),
        ("luxor", "app.luxor.tech", "/error/code=invalid_request", "/error/code=unavailable"),
    ] {
        let front = Front::of(&shipped(name), None, &["--latchkey", &away]);
        for (path, status, expected) in [("/v1/a%2fb", 400, code), ("/v1/x", 503, outage)] {
            let answer = Request::get(host, path).send(front.port);
            assert_eq!((answer.status, answer.header("content-type")), (status, Some("application/json")));
            let body = answer.json();
            let (pointer, value) = expected.split_once('=').expect("a pointer and a value");
            let found = body.pointer(pointer).map(|found| found.to_string().trim_matches('"').to_owned());
            assert_eq!(found.as_deref(), Some(value), "{name}: {body}");
            if name == "paykore" {
                let id = body.pointer("/meta/request_id").and_then(Value::as_str).unwrap_or_default();
                assert!(id.starts_with("req_") && id.len() > 12, "{body}");
                assert_eq!(body.pointer("/error/http_status"), Some(&status.into()));
                // "Every response includes rate limit headers".
                assert_eq!(answer.header("x-ratelimit-limit"), Some("300"));
                assert_eq!(answer.header("x-ratelimit-remaining"), Some("300"));
                let reset = answer.header("x-ratelimit-reset").and_then(|reset| reset.parse::<u64>().ok());
                assert!(reset.is_some_and(|reset| reset > 1_700_000_000), "{answer:?}");
            }
        }
    }
}

/// Sends a part of a head and waits: Envoy answers such a request itself, and closes the connection.
#[test]
fn a_request_that_does_not_arrive_in_time_is_the_products_408() {
    let (from, to) = ("local_reply_config:", "request_timeout: 0.5s\n                local_reply_config:");
    let front = Front::changed(&document(), None, &[], (from, to));
    let mut connection = TcpStream::connect(("127.0.0.1", front.port)).expect("Envoy listens");
    connection.write_all(b"GET /things/1 HTTP/1.1\r\nhost: api.example\r\n").expect("it is sent");
    let mut answer = String::new();
    let _ = connection.read_to_string(&mut answer).expect("Envoy closes the connection");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
    assert!(head.starts_with("HTTP/1.1 408 "), "{answer}");
    assert!(head.contains("content-type: application/problem+json"), "{answer}");
    let body: Value = serde_json::from_str(body).unwrap_or_else(|_| panic!("{answer}"));
    assert_eq!(body["status"], 408, "{body}");
    assert!(body["request_id"].as_str().is_some_and(|id| id.len() > 8), "{body}");
}
