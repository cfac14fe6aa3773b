//! Envoy with the configuration that `latchkey envoy-config` prints: by a Unix socket, with several replicas, with the
//! product's endpoints, and while Latchkey is unavailable.

use std::net::TcpStream;
use std::process::Command;

use latchkey_testing::{
    Answer, Echo, Folder, Latchkey, Process, Request, Setup, Upstream, eventually, free_port, program,
    replace_once, tool,
};

/// An endpoint of the product, in addition to the routes of its service.
const ENDPOINT: &str = r#"
[[endpoints]]
method = "GET"
path = "/things/keys/{shop}"
rpc = "ListKeys"
item = '"{{ item.name }}"'
answer = '{"keys":[{{ items }}]}'
"#;

pub(crate) fn document() -> String {
    let demo = concat!(env!("CARGO_MANIFEST_DIR"), "/profiles/demo.toml");
    std::fs::read_to_string(demo).expect("a profile") + ENDPOINT
}

pub(crate) struct Front {
    pub(crate) port: u16,
    config: String,
    upstream: Upstream,
    _envoy: Process,
    folder: Folder,
}

impl Front {
    /// Starts an Envoy with the printed configuration.
    fn start(words: &[&str]) -> Self {
        Self::of(&document(), None, words)
    }

    /// Starts an Envoy with the configuration that is printed for a profile, in front of this service or of an echo
    /// service.
    pub(crate) fn of(document: &str, service: Option<u16>, words: &[&str]) -> Self {
        Self::changed(document, service, words, ("", ""))
    }

    /// Starts an Envoy as [`Front::of`] does, with one text of its configuration replaced by another.
    pub(crate) fn changed(
        document: &str,
        service: Option<u16>,
        words: &[&str],
        (from, to): (&str, &str),
    ) -> Self {
        let (folder, port, upstream) = (Folder::new("envoy-printed"), free_port(), Upstream::start());
        let profile = folder.write("demo.toml", document).display().to_string();
        let service = service.unwrap_or_else(|| upstream.port());
        let printed = Command::new(program())
            .args(["envoy-config", &profile, "--listen", &format!("127.0.0.1:{port}"), "--admin", "none"])
            .args(["--upstream", &format!("127.0.0.1:{service}")])
            .args(words)
            .output()
            .expect("the program starts");
        assert!(printed.status.success(), "{}", String::from_utf8_lossy(&printed.stderr));
        let text = String::from_utf8(printed.stdout).expect("YAML is text");
        // Slow machines need longer than Envoy waits.
        let text = replace_once(&text, "timeout: 0.2s", "timeout: 30s");
        let text = if from.is_empty() { text } else { replace_once(&text, from, to) };
        let config = folder.write("envoy.yaml", &text);
        let mut command = Command::new(tool("envoy"));
        command
            .args(["--concurrency", "1", "--disable-hot-restart", "--log-level", "error", "-c"])
            .arg(&config);
        let mut envoy = Process::start(&mut command, &folder, "envoy");
        eventually("Envoy listens", || {
            assert!(envoy.ended().is_none(), "Envoy ended:\n{}", envoy.log());
            TcpStream::connect(("127.0.0.1", port)).ok()
        });
        Self { port, config: config.display().to_string(), upstream, _envoy: envoy, folder }
    }

    pub(crate) fn get(&self, path: &str, key: &str) -> Answer {
        Request::get("api.example", path).header("x-api-key", key).send(self.port)
    }

    /// Returns the echo service behind Envoy.
    pub(crate) fn upstream(&self) -> &Upstream {
        &self.upstream
    }

    /// Returns the output of `latchkey doctor` about the configuration.
    pub(crate) fn doctor(&self) -> String {
        let profile = self.folder.path().join("demo.toml").display().to_string();
        let words = ["doctor", "--envoy-only", "--envoy", &self.config, "--profile", &profile];
        let output = Command::new(program()).args(words).output().expect("the program starts");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }
}

/// Creates a key that may read things and list keys.
pub(crate) fn key(latchkey: &Latchkey, server: &str) -> String {
    let cli = |words: &[&str]| {
        let mut command = Command::new(program());
        command.args(["--server", server]).args(words).env("LATCHKEY_API_KEY", latchkey_testing::ROOT_KEY);
        let output = command.output().expect("the program starts");
        assert!(
            output.status.success(),
            "{words:?}: {}{}",
            String::from_utf8_lossy(&output.stderr),
            latchkey.log()
        );
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    };
    let _ = cli(&["tenant", "create", "acme", "--profile", "demo"]);
    let words = ["key", "create", "--tenant", "acme", "--name", "first", "--secret-only"];
    cli(&[&words[..], &["--scope", "things.read", "--scope", "api_keys.manage"]].concat())
}

#[test]
fn envoy_asks_by_a_unix_socket_and_an_outage_has_the_products_words() {
    let folder = Folder::new("envoy-unix");
    let server = format!("unix:{}", folder.path().join("grpc.sock").display());
    let latchkey =
        Setup::default().profile("demo", &document()).environment("LATCHKEY_GRPC_ADDR", &server).start();
    let key = key(&latchkey, &server);
    let front = Front::start(&["--latchkey", &server]);
    assert!(front.doctor().contains("0 errors"), "{}", front.doctor());
    let allowed = eventually("Envoy reaches Latchkey", || {
        let answer = front.get("/things/1", &key);
        (answer.status == 200).then_some(answer)
    });
    assert_eq!(Echo::of(&allowed).all("x-tenant"), ["acme"]);
    assert_eq!(front.get("/things/1", "demo_live_wrong").status, 401);
    latchkey.kill();
    let answer = front.get("/things/1", &key);
    assert_eq!(answer.status, 503);
    let body: serde_json::Value = serde_json::from_str(&answer.body).unwrap_or_else(|_| panic!("{answer:?}"));
    assert!(
        body["status"] == 503 && body["detail"].as_str().is_some_and(|text| text.contains("unavailable")),
        "{answer:?}"
    );
    latchkey.restart();
    eventually("Envoy reaches the new process", || {
        (front.get("/things/1", &key).status == 200).then_some(())
    });
}

#[test]
fn endpoints_reach_latchkey_and_everything_else_reaches_the_service() {
    let latchkey = Setup::default().profile("demo", &document()).start();
    let server = format!("127.0.0.1:{}", latchkey.grpc());
    let http = format!("127.0.0.1:{}", latchkey.http());
    let key = key(&latchkey, &server);
    let front = Front::start(&["--latchkey", &server, "--latchkey-http", &http]);
    assert!(front.doctor().contains("0 errors"), "{}", front.doctor());
    let listed = eventually("Envoy reaches Latchkey", || {
        let answer = front.get("/things/keys/a", &key);
        (answer.status != 503).then_some(answer)
    });
    assert!(listed.status == 200 && listed.body.contains(r#"{"keys":["first"]}"#), "{listed:?}");
    assert_eq!(front.get("/things/keys/a/", &key).body, listed.body, "with a slash at its end");
    assert_eq!(front.get("/things/keys/a", "demo_live_wrong").status, 401);
    let before = front.upstream.seen();
    let _service = Echo::of(&front.get("/things/keys/a/b", &key));
    assert_eq!((before, front.upstream.seen()), (0, 1));
}

#[test]
fn a_replica_that_is_away_costs_no_request() {
    let latchkey = Setup::default().profile("demo", &document()).start();
    let server = format!("127.0.0.1:{}", latchkey.grpc());
    let key = key(&latchkey, &server);
    let away = format!("127.0.0.1:{}", free_port());
    let front = Front::start(&["--latchkey", &away, "--latchkey", &server]);
    assert!(front.doctor().contains("0 errors"), "{}", front.doctor());
    eventually("Envoy reaches Latchkey", || (front.get("/things/1", &key).status == 200).then_some(()));
    let passed = (0..30).filter(|_| front.get("/things/1", &key).status == 200).count();
    assert_eq!(passed, 30);
}
