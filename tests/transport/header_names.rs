//! Other spellings of the names of headers, with dots and underscores, and of hosts, through the printed Envoy configuration.

use latchkey_testing::{Answer, Echo, Latchkey, ROOT_KEY, Request, Setup, eventually, program};

use crate::envoy::{Front, document};

/// Returns a document that reads the till of a request from this header.
fn reading(header: &str) -> String {
    let sources = "[resource]\ntill = \"header:";
    let identity = "x-tenant = ";
    document()
        .replace(identity, &format!("x-till-number = \"{{{{ bindings.till }}}}\"\n{identity}"))
        .replace("[[kinds]]", &format!("{sources}{header}\"\n\n[[kinds]]"))
}

/// Creates a tenant and a key of it, with these options.
fn created_key(latchkey: &Latchkey, options: &[&str]) -> String {
    let server = format!("127.0.0.1:{}", latchkey.grpc());
    let cli = |words: &[&str]| {
        let mut command = std::process::Command::new(program());
        command.args(["--server", &server]).args(words).env("LATCHKEY_API_KEY", ROOT_KEY);
        let output = command.output().expect("the program starts");
        assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    };
    let _tenant = cli(&["tenant", "create", "acme", "--profile", "demo"]);
    let words =
        ["key", "create", "--tenant", "acme", "--name", "first", "--secret-only", "--scope", "things.read"];
    cli(&[&words[..], options].concat())
}

struct Fixture {
    _latchkey: Latchkey,
    front: Front,
    key: String,
}

impl Fixture {
    fn open(header: &str) -> Self {
        let document = reading(header);
        let latchkey = Setup::default().profile("demo", &document).start();
        let key = created_key(&latchkey, &["--binding", "till=t_1"]);
        let front = Front::of(&document, None, &["--latchkey", &format!("127.0.0.1:{}", latchkey.grpc())]);
        assert!(front.doctor().contains("0 errors, "), "{}", front.doctor());
        eventually("Envoy reaches Latchkey", || (front.get("/things/1", &key).status == 200).then_some(()));
        Self { _latchkey: latchkey, front, key }
    }

    /// Sends a request with the key and these headers.
    fn send(&self, headers: &[(&str, &str)]) -> Answer {
        let request = Request::get("api.example", "/things/1").header("x-api-key", &self.key);
        headers
            .iter()
            .fold(request, |request, (name, value)| request.header(name, value))
            .send(self.front.port)
    }
}

#[test]
fn names_with_dots_reach_no_service_by_the_printed_envoy() {
    let fixture = Fixture::open("x-till-id");
    for name in [
        "x.till.id",
        "X-Till.Id",
        "x.till-id",
        "x.tenant",
        "X.Key.Id",
        "x-till.number",
        "x.http.method.override",
    ] {
        let echo = Echo::of(&fixture.send(&[(name, "evil")]));
        assert!(!echo.text().contains("evil"), "{name}: {}", echo.text());
        assert_eq!((echo.all("x-tenant"), echo.all("x-till-number")), (vec!["acme"], vec!["t_1"]), "{name}");
    }
    // Beside the right name, such a header changes nothing.
    let echo = Echo::of(&fixture.send(&[("x.till.id", "t_2"), ("x-till-id", "t_1"), ("X.Till.Id", "t_2")]));
    assert!(echo.all("x-till-id") == ["t_1"] && !echo.text().contains("t_2"), "{}", echo.text());
    assert_eq!(fixture.send(&[("x.till.id", "t_1"), ("x-till-id", "t_2")]).status, 403);
    // The key is not read from such a header.
    let value = &fixture.key;
    let other = Request::get("api.example", "/things/1").header("x.api.key", value).send(fixture.front.port);
    assert_eq!(other.status, 401);
}

#[test]
fn names_with_underscores_are_refused_by_the_printed_envoy() {
    let fixture = Fixture::open("x-till-id");
    for name in ["x_till_id", "X-Till_Id", "x_tenant", "x.till_id", "x_http_method_override"] {
        assert_eq!(fixture.send(&[(name, "evil")]).status, 400, "{name}");
    }
    assert_eq!(fixture.front.upstream().seen(), 1, "the first request alone");
}

#[test]
fn every_spelling_is_judged_where_the_profile_reads_a_name_with_a_dot() {
    let fixture = Fixture::open("x.till.id");
    let echo = Echo::of(&fixture.send(&[("x.till.id", "t_1")]));
    assert_eq!(echo.all("x.till.id"), ["t_1"]);
    for name in ["x.till.id", "X.Till.Id", "x-till-id", "x.till-id", "X-Till.Id"] {
        assert_eq!(fixture.send(&[(name, "t_2")]).status, 403, "{name}");
        assert_eq!(fixture.send(&[("x.till.id", "t_1"), (name, "t_2")]).status, 403, "{name}");
    }
    for name in ["x.tenant", "X.Key.Id", "x-till.number", "x.till-number", "x.http.method.override", "x.host"]
    {
        let echo = Echo::of(&fixture.send(&[(name, "evil")]));
        assert!(!echo.text().contains("evil"), "{name}: {}", echo.text());
        assert_eq!((echo.all("x-tenant"), echo.all("x-till-number")), (vec!["acme"], vec!["t_1"]), "{name}");
    }
    let echo = Echo::of(&fixture.send(&[("x+tenant", "evil"), ("x!till!id", "t_2")]));
    assert!(!echo.text().contains("evil") && !echo.text().contains("t_2"), "{}", echo.text());
}

#[test]
fn a_second_dot_at_the_end_of_a_host_does_not_reach_the_virtual_host_for_all_names() {
    let hosts = "[[hosts]]\nhost = \"*.sandbox.example\"\nenvironment = \"test\"\n\n";
    let document = document().replacen("[[kinds]]", &format!("{hosts}[[kinds]]"), 1);
    let latchkey = Setup::default().profile("demo", &document).start();
    let key = created_key(&latchkey, &["--environment", "test"]);
    let front = Front::of(&document, None, &["--latchkey", &format!("127.0.0.1:{}", latchkey.grpc())]);
    let ask = |host: &str| Request::get(host, "/things/1").header("x-api-key", &key).send(front.port).status;
    eventually("Envoy reaches Latchkey", || (ask("a.sandbox.example") == 200).then_some(()));
    for host in ["a.sandbox.example.", "a.sandbox.example:443", "a.sandbox.example.:443"] {
        assert_eq!(ask(host), 200, "{host}");
    }
    for host in ["a.sandbox.example..", "a.sandbox.example..:443", "a.sandbox.example.:443."] {
        assert_eq!(ask(host), 403, "{host}");
    }
}
