//! Real services behind a real Envoy that changes no path: Node's `http`, Express, Python's wsgi and nginx. Each one chooses
//! a handler and reads a merchant in its own way. No request may pass for a handler or a merchant that the key is not
//! allowed, and without a key only the public routes answer.

use std::collections::HashMap;
use std::net::TcpStream;
use std::process::Command;

use latchkey_proto::v1::CreateKeyRequest;
use latchkey_testing::{
    Answer, Envoy, EnvoySetup, Folder, Latchkey, Process, Request, Setup, eventually, free_port, key,
    node_modules, tool,
};

const HOST: &str = "api.fixture.dev";

const DOCUMENT: &str = r#"
name = "front"

[credential]
sources = ["header:x-api-key"]

[resource]
merchant = "body:/merchant"
till = "header:x-till-id"
shop = "query:shop"

[[kinds]]
name = "secret"
prefix = "fk_"
default_scopes = ["items", "rest"]

[[scopes]]
name = "items"
[[scopes]]
name = "rest"
[[scopes]]
name = "admin"

[[routes]]
path = "/v1/public/**"
public = true
[[routes]]
path = "/v1/admin/**"
scopes = ["admin"]
[[routes]]
methods = ["POST"]
path = "/v1/items/{id}/void"
scopes = ["admin"]
[[routes]]
methods = ["GET"]
path = "/v1/items/{id}"
scopes = ["items"]
[[routes]]
path = "/v1/**"
scopes = ["rest"]
"#;

/// Paths of requests, one a line.
const PATHS: &str = include_str!("upstreams/paths.txt");

const NODE: &str = include_str!("upstreams/node.cjs");
const EXPRESS: &str = include_str!("upstreams/express.cjs");
const WSGI: &str = include_str!("upstreams/wsgi.py");
const NGINX: &str = include_str!("upstreams/nginx.conf");
/// A service behind Envoy, and Latchkey with one tenant.
struct Front {
    latchkey: Latchkey,
    envoy: Envoy,
    key: String,
    _service: Process,
    _folder: Folder,
}

impl Front {
    async fn open(kind: &str) -> Self {
        let (folder, port) = (Folder::new(kind), free_port());
        let mut service = start(kind, &folder, port);
        eventually("the service listens", || {
            assert!(service.ended().is_none(), "{kind} ended:\n{}", service.log());
            TcpStream::connect(("127.0.0.1", port)).ok()
        });
        let (latchkey, operator) = Setup::default().open("front", DOCUMENT, &["acme"]).await;
        let setup = EnvoySetup {
            body: Some(65_536),
            whole_body: true,
            counter: Some((port, vec!["/".to_owned()])),
            ..EnvoySetup::default()
        };
        let envoy = Envoy::start(latchkey.grpc(), &setup);
        let bindings = [("merchant", "m_1"), ("till", "t_1"), ("shop", "s_1")];
        let bindings: HashMap<String, String> =
            bindings.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        let scopes = ["items", "rest"].map(str::to_owned).to_vec();
        let (_, key) = operator.key(CreateKeyRequest { bindings, scopes, ..key("acme", "") }).await;
        Self { latchkey, envoy, key, _service: service, _folder: folder }
    }

    fn send(&self, request: &Request) -> Answer {
        self.envoy.send(request)
    }
}

fn start(kind: &str, folder: &Folder, port: u16) -> Process {
    let mut command = match kind {
        "node" | "express" => {
            let script = folder.write("service.cjs", if kind == "node" { NODE } else { EXPRESS });
            let mut command = Command::new(tool("node"));
            command.arg(script).env("NODE_PATH", node_modules());
            command
        }
        "wsgi" => {
            let mut command = Command::new(tool("python3"));
            command.arg(folder.write("service.py", WSGI));
            command
        }
        _ => {
            let config = NGINX.replace("$FOLDER", &folder.path().display().to_string());
            let config = folder.write("nginx.conf", &config.replace("$PORT", &port.to_string()));
            let mut command = Command::new(tool("nginx"));
            command.arg("-c").arg(config).arg("-p").arg(folder.path());
            return Process::start(&mut command, folder, kind);
        }
    };
    command.arg(port.to_string());
    Process::start(&mut command, folder, kind)
}

/// Sends every path with several methods, and returns the number of requests that passed.
fn try_paths(front: &Front, kind: &str) -> usize {
    let mut passed = 0;
    for path in PATHS.lines() {
        for method in ["GET", "POST", "DELETE", "HEAD", "OPTIONS"] {
            let ask = || Request::new(method, HOST, path).header("content-length", "0");
            for (request, allowed) in
                [(ask(), &["public"][..]), (ask().header("x-api-key", &front.key), &["public", "rest"])]
            {
                let answer = front.send(&request);
                if answer.status == 200 && method != "HEAD" {
                    passed += 1;
                    let handler = answer.json()["handler"].as_str().unwrap_or_default().to_owned();
                    assert!(
                        allowed.contains(&&*handler) || handler == "none",
                        "{kind}: {method} {path} passed, and reached {handler}"
                    );
                }
            }
        }
    }
    passed
}

/// Requests that name a merchant, a till or a shop in an unusual way.
fn unusual(key: &str) -> Vec<Request> {
    let post = || Request::new("POST", HOST, "/v1/other").header("x-api-key", key);
    let get = |query: &str| Request::get(HOST, &format!("/v1/other{query}")).header("x-api-key", key);
    let spaces = format!("{}{{\"merchant\":\"m_2\"}}", " ".repeat(9_000));
    let utf16: Vec<u8> = "{\"merchant\":\"m_2\"}".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let bodies: Vec<Vec<u8>> = vec![
        br#"{"merchant":"m_1"}"#.to_vec(),
        br#"{"merchant":"m_2"}"#.to_vec(),
        spaces.into_bytes(),
        b"\xef\xbb\xbf{\"merchant\":\"m_2\"}".to_vec(),
        br#"{"merchant":"m_2","x":"\ud800"}"#.to_vec(),
        br#"{"merchant":2}"#.to_vec(),
        br#"{"merchant":["m_2"]}"#.to_vec(),
        br#"{"merchant":"m_1","merchant":"m_2"}"#.to_vec(),
        br#"{"merchant":"m_2","merchant":"m_1"}"#.to_vec(),
        br#"{"m\u0065rchant":"m_2"}"#.to_vec(),
        b"{\"merchant\":\"m_2\",\"x\":NaN}".to_vec(),
        utf16,
    ];
    let typed = |content_type: &str, body: &[u8]| {
        let length = body.len().to_string();
        post().header("content-type", content_type).header("content-length", length).body(body)
    };
    let mut all: Vec<Request> = bodies.iter().map(|body| typed("application/json", body)).collect();
    for (content_type, body) in [
        ("application/x-www-form-urlencoded", "merchant=m_2"),
        ("application/x-www-form-urlencoded", r#"{"merchant":"m_1","x":"&merchant=m_2&"}"#),
        ("application/json; charset=utf-16le", r#"{"merchant":"m_1"}"#),
        ("text/plain", r#"{"merchant":"m_2"}"#),
    ] {
        all.push(typed(content_type, body.as_bytes()));
    }
    for query in [
        "?shop=s_1",
        "?shop=s_2",
        "?shop[]=s_2",
        "?shop=s_1&shop=s_2",
        "?shop=s_2&shop=s_1",
        "?shop[a]=s_2",
        "?shop%5b%5d=s_2",
        "?%73hop=s_2",
        "?a=1;shop=s_2",
        "?shop=s_1&shop[]=s_2",
        "?shop=&shop=s_2",
        "?Shop=s_2",
    ] {
        all.push(get(query));
    }
    all.push(get("").header("x-till-id", "t_2"));
    all.push(get("").header("x_till_id", "t_2"));
    all.push(get("").header("x-till_id", "t_2"));
    all.push(get("").header("x-till-id", "t_1").header("x_till_id", "t_2"));
    all.push(get("").header("x_till_id", "t_2").header("x-till-id", "t_1"));
    all.push(get("").header("x-till-id", "t_1"));
    all
}

/// Sends unusual resources, and returns the number of requests that passed.
fn try_resources(front: &Front, kind: &str) -> usize {
    let mut passed = 0;
    for request in unusual(&front.key) {
        let answer = front.send(&request);
        if answer.status != 200 {
            continue;
        }
        passed += 1;
        let seen = answer.json();
        for (name, own) in [("merchant", "m_1"), ("till", "t_1"), ("shop", "s_1")] {
            let value = &seen[name];
            let none = value.is_null() || value == "";
            assert!(none || value == own, "{kind}: passed with {name} {value}: {request:?}");
        }
    }
    passed
}

async fn assert_read_alike_by(kind: &str) {
    let front = Front::open(kind).await;
    let (paths, resources) = (try_paths(&front, kind), try_resources(&front, kind));
    assert!(paths >= 10 && resources >= 3, "{kind}: too few requests passed: {paths}, {resources}");
    assert!(!front.latchkey.log().contains("panicked"));
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_http_reads_what_was_judged() {
    assert_read_alike_by("node").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn express_reads_what_was_judged() {
    assert_read_alike_by("express").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pythons_wsgi_reads_what_was_judged() {
    assert_read_alike_by("wsgi").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nginx_reads_what_was_judged() {
    assert_read_alike_by("nginx").await;
}
