//! Envoy calls Latchkey over mTLS, with the configuration that `latchkey envoy-config` prints.

use std::net::TcpStream;
use std::process::Command;

use latchkey_testing::{
    Ca, Echo, Folder, Pair, Process, ROOT_KEY, Request, Upstream, eventually, free_port, program,
    replace_once, tool,
};
use serde_json::Value;

use crate::fixture::Fixture;

const PROFILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/profiles/demo.toml");

struct Front {
    port: u16,
    _envoy: Process,
    _folder: Folder,
}

/// Starts an Envoy with this client certificate for Latchkey.
fn front(fixture: &Fixture, upstream: &Upstream, ca: &Ca, pair: &Pair) -> Front {
    let (folder, port, admin) = (Folder::new("envoy-tls"), free_port(), free_port());
    let path = |name: &str, text: &str| folder.write(name, text).display().to_string();
    let (ca, cert, key) =
        (path("ca.pem", ca.pem()), path("cert.pem", &pair.cert), path("key.pem", &pair.key));
    let latchkey = format!("localhost:{}", fixture.latchkey.grpc());
    let printed = Command::new(program())
        .args(["envoy-config", PROFILE, "--listen", &format!("127.0.0.1:{port}"), "--latchkey", &latchkey])
        .args(["--upstream", &format!("127.0.0.1:{}", upstream.port()), "--latchkey-ca", &ca])
        .args(["--client-cert", &cert, "--client-key", &key, "--admin", &format!("127.0.0.1:{admin}")])
        .output()
        .expect("the program starts");
    assert!(printed.status.success(), "{printed:?}");
    let text = String::from_utf8(printed.stdout).expect("YAML is text");
    // Slow machines need longer than Envoy waits for a first handshake.
    let text = replace_once(&text, "timeout: 0.2s", "timeout: 30s");
    let config = folder.write("envoy.yaml", &text);
    let mut command = Command::new(tool("envoy"));
    command.args(["--concurrency", "1", "--disable-hot-restart", "--log-level", "error", "-c"]).arg(config);
    let mut envoy = Process::start(&mut command, &folder, "envoy");
    eventually("Envoy listens", || {
        assert!(envoy.ended().is_none(), "Envoy ended:\n{}", envoy.log());
        TcpStream::connect(("127.0.0.1", port)).ok()
    });
    Front { port, _envoy: envoy, _folder: folder }
}

fn key(fixture: &Fixture, words: &[String]) -> String {
    let bearer = format!("authorization: Bearer {ROOT_KEY}");
    let call = |message: &str, method: &str| {
        let (ok, reported) =
            fixture.grpcurl(&fixture.path("ca.pem"), words, &["-H", &bearer, "-d", message, method]);
        assert!(ok, "{reported}");
        serde_json::from_str::<Value>(&reported).expect("grpcurl answers JSON")
    };
    call(
        r#"{"slug": "acme", "displayName": "Acme", "profile": "demo"}"#,
        "latchkey.v1.TenantService/CreateTenant",
    );
    let made = call(
        r#"{"tenant": "acme", "name": "k", "scopes": ["things.read"]}"#,
        "latchkey.v1.KeyService/CreateKey",
    );
    made["secret"].as_str().expect("a secret is returned").to_owned()
}

#[test]
fn envoy_asks_over_mtls_and_is_refused_without_a_good_certificate() {
    let (fixture, upstream) = (Fixture::mutual(), Upstream::start());
    let pair = fixture.clients.issue(&["envoy.example"]);
    let key = key(&fixture, &fixture.shown("envoy", &pair));
    let asked = || Request::get("127.0.0.1", "/things").header("x-api-key", &key);
    let good = front(&fixture, &upstream, &fixture.ca, &pair);
    let allowed = eventually("the first health check has passed", || {
        let answer = asked().send(good.port);
        (answer.status != 503).then_some(answer)
    });
    assert_eq!(Echo::of(&allowed).all("x-tenant"), ["acme"]);
    assert!(!Echo::of(&allowed).text().contains(&key), "the credential goes no further");
    assert_eq!(Request::get("127.0.0.1", "/things").send(good.port).status, 401);

    let seen = upstream.seen();
    let stranger = front(&fixture, &upstream, &fixture.ca, &Ca::new().issue(&["envoy.example"]));
    assert_eq!(asked().send(stranger.port).status, 503, "a certificate of another CA");
    let deceived = front(&fixture, &upstream, &Ca::new(), &pair);
    assert_eq!(asked().send(deceived.port).status, 503, "a Latchkey of another CA");
    assert_eq!(upstream.seen(), seen, "nothing came through");
}
