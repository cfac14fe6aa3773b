//! A real Prometheus that scrapes two running servers as docs/telemetry.md says, with the rules that ship: every target
//! is up, every rule is evaluated, and every query of the dashboard has a result, including those about Redis.

use std::process::Command;

use latchkey_proto::v1::{CheckRequest, GetKeyRequest};
use latchkey_testing::{
    Folder, Postgres, Process, Redis, Request, Setup, Signal, call, dashboard_query, eventually, free_port,
    replace_once, tool,
};
use serde_json::Value;

use crate::Shop;
use crate::files::{alone, page_queries, panels, rules, text};

/// A running Prometheus.
struct Prometheus {
    process: Process,
    port: u16,
    _folder: Folder,
}

impl Prometheus {
    /// Starts a Prometheus that scrapes these ports once a second.
    fn start(ports: &[u16]) -> Self {
        let (folder, port) = (Folder::new("prometheus"), free_port());
        let targets: Vec<String> = ports.iter().map(|port| format!("\"127.0.0.1:{port}\"")).collect();
        let scrape = replace_once(&scrape_lines(), "\"latchkey:8081\"", &targets.join(", "));
        let rules = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/prometheus/latchkey.rules.yml");
        let own = "global: { scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s }";
        let config = folder.write("prometheus.yml", &format!("{own}\nrule_files: [{rules}]\n{scrape}"));
        let mut command = Command::new(tool("prometheus"));
        command.arg(format!("--config.file={}", config.display()));
        command.arg(format!("--storage.tsdb.path={}", folder.path().join("data").display()));
        command.arg(format!("--web.listen-address=127.0.0.1:{port}"));
        let process = Process::start(&mut command, &folder, "prometheus");
        let mut prometheus = Self { process, port, _folder: folder };
        eventually("Prometheus is ready", || {
            let ended = prometheus.process.ended();
            assert!(ended.is_none(), "Prometheus ended:\n{}", prometheus.process.log());
            (Request::get("127.0.0.1", "/-/ready").try_send(port)?.status == 200).then_some(())
        });
        prometheus
    }

    /// Returns the response of its HTTP API, if there is one.
    fn ask(&self, path: &str) -> Result<Value, String> {
        let answer = Request::get("127.0.0.1", &format!("/api/v1/{path}")).send(self.port);
        match answer.status {
            200 => Ok(answer.json()["data"].clone()),
            status => Err(format!("{status} {}", answer.body)),
        }
    }

    /// Returns the present result of a query.
    fn query(&self, query: &str) -> Vec<Value> {
        let found = self.ask(&format!("query?query={}", encoded(query)));
        let found = found.unwrap_or_else(|error| panic!("{query}: {error}"));
        found["result"].as_array().unwrap_or_else(|| panic!("{query}: {found}")).clone()
    }
}

/// Returns the scrape configuration from the documentation.
fn scrape_lines() -> String {
    let page = text("docs/telemetry.md");
    let blocks = page.split("```yaml\n").skip(1).filter_map(|rest| rest.split("```").next());
    let mut blocks = blocks.filter(|block| block.starts_with("scrape_configs:"));
    blocks.next().expect("lines to scrape by").to_owned()
}

fn encoded(query: &str) -> String {
    let byte = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    query.bytes().map(byte).collect()
}

/// Generates traffic of a shop: allowed and denied calls, a revocation, and a database that hangs for a
/// while.
async fn a_day(shop: &Shop, postgres: &Postgres) {
    let (key, value) = shop.key("acme").await;
    let (_, unseen) = shop.key("acme").await;
    for _ in 0..10 {
        let _ = shop.check(&value, "GET").await;
        let _ = shop.check(&value, "POST").await;
        let tried = CheckRequest { path: "/v1/tried".to_owned(), ..call("", "GET") };
        let _ = shop.latchkey.anonymous().check(tried).await;
    }
    let absent = GetKeyRequest { id: "key_00000000000000000000000000".to_owned() };
    let _ = shop.operator.keys().get_key(absent).await.expect_err("there is none");
    let _ = shop.operator.revoke(&key.id).await;
    postgres.freeze();
    let _ = shop
        .latchkey
        .anonymous()
        .checks()
        .check(call(&unseen, "GET"))
        .await
        .expect_err("the key is not cached");
    postgres.thaw();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_real_prometheus_has_what_the_dashboard_and_the_alerts_ask_for() {
    let (folder, redis, postgres) = (Folder::new("scraped"), Redis::start(), Postgres::start());
    let town = Setup::default().database(&postgres.database());
    let shop = Shop::open(town.environment("LATCHKEY_REDIS_URL", &redis.url())).await;
    let alone = alone(&folder);
    let mut prometheus = Prometheus::start(&[shop.latchkey.http(), alone.http()]);
    eventually("both are up", || (prometheus.query("up == 1").len() == 2).then_some(()));
    // On a busy machine, a single scrape can fail.
    let targets = eventually("both are up without an error", || {
        let targets = prometheus.ask("targets").expect("targets")["activeTargets"].as_array()?.clone();
        let up = |target: &Value| target["health"] == "up" && target["lastError"] == "";
        (targets.len() == 2 && targets.iter().all(up)).then_some(targets)
    });
    assert!(targets.iter().all(|target| target["labels"]["job"] == "latchkey"), "{targets:?}");

    a_day(&shop, &postgres).await;
    let allowed = r#"latchkey_checks_total{profile="shop", outcome="allowed"} > 0"#;
    eventually("Checks are there", || (!prometheus.query(allowed).is_empty()).then_some(()));
    for query in panels() {
        let query = dashboard_query(&query);
        // A rate needs the series twice.
        eventually(&query, || (!prometheus.query(&query).is_empty()).then_some(()));
    }
    for query in page_queries() {
        // The queries of the page on alerts are valid; some have a result only in an incident.
        let _ = prometheus.query(&query);
    }
    every_rule_is_evaluated(&prometheus);
    let ended = prometheus.process.end(Signal::TERM);
    assert!(ended.success(), "{ended}:\n{}", prometheus.process.log());
}

fn every_rule_is_evaluated(prometheus: &Prometheus) {
    let evaluated = eventually("every rule is evaluated", || {
        let output = prometheus.ask("rules").expect("rules");
        let groups = output["groups"].as_array().expect("groups").iter();
        let all: Vec<Value> =
            groups.flat_map(|group| group["rules"].as_array().expect("rules").clone()).collect();
        all.iter().all(|rule| rule["health"] != "unknown").then_some(all)
    });
    for rule in &evaluated {
        assert_eq!((&rule["health"], rule.get("lastError")), (&"ok".into(), None), "{rule}");
    }
    let names: Vec<&str> = evaluated.iter().filter_map(|rule| rule["name"].as_str()).collect();
    assert_eq!(names, rules().iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>());
}
