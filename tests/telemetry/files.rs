//! The dashboard, the alerts and the documentation, compared with the metrics that servers export: a single server
//! with TLS, and a replica with PostgreSQL and Redis. Every metric and label of a query must exist.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use latchkey_proto::v1::CheckRequest;
use latchkey_testing::{Ca, Database, Folder, Latchkey, Redis, SHOP, Setup, call};
use serde_json::Value;

use crate::Shop;
use crate::scrape::Scrape;

/// Labels that the scraper adds, and the one of histograms' buckets.
const ADDED: [&str; 3] = ["instance", "job", "le"];

/// Metrics and their labels, as exported.
type ExportedMetrics = BTreeMap<String, BTreeSet<String>>;

pub(crate) fn text(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Starts a single server, with every TLS option.
pub(crate) fn alone(folder: &Folder) -> Latchkey {
    let ca = Ca::new();
    let pair = ca.issue(&["localhost", "127.0.0.1"]);
    let path = |name: &str, text: &str| folder.write(name, text).display().to_string();
    let setup = Setup::default()
        .profile("shop", SHOP)
        .environment("LATCHKEY_TLS_CERT", &path("cert.pem", &pair.cert))
        .environment("LATCHKEY_TLS_KEY", &path("key.pem", &pair.key))
        .environment("LATCHKEY_TLS_CLIENT_CA", &path("ca.pem", ca.pem()))
        .environment("LATCHKEY_TLS_CLIENT_CRL", &path("list.pem", &ca.crl(&[])));
    setup.start()
}

/// Exports of both servers after some traffic, and the names of all their metrics.
async fn exported() -> (ExportedMetrics, BTreeSet<String>) {
    let (folder, redis) = (Folder::new("telemetry"), Redis::start());
    let town = Database::PostgreSql.setup();
    let shop = Shop::open(town.environment("LATCHKEY_REDIS_URL", &redis.url())).await;
    let (_, value) = shop.key("acme").await;
    let _ = shop.check(&value, "GET").await;
    let tried = CheckRequest { path: "/v1/tried".to_owned(), ..call("", "GET") };
    let _ = shop.latchkey.anonymous().check(tried).await;
    let alone = alone(&folder);
    let (mut labels, mut names) = (ExportedMetrics::new(), BTreeSet::new());
    for scrape in [Scrape::of(&shop.latchkey), Scrape::of(&alone)] {
        for (name, more) in scrape.labels() {
            labels.entry(name).or_default().extend(more);
        }
        names.extend(scrape.types.into_keys());
    }
    (labels, names)
}

/// Returns the operations of database queries, as the documentation lists them.
pub(crate) fn operations() -> BTreeSet<String> {
    let page = text("docs/telemetry.md");
    let (_, table) = page.split_once("| `operation` | what is asked |\n|---|---|\n").expect("a table");
    let rows = table.lines().map_while(|line| line.strip_prefix("| `")?.split_once('`'));
    rows.map(|(name, _)| name.to_owned()).collect()
}

/// Returns every query of the dashboard's panels.
pub(crate) fn panels() -> Vec<String> {
    let dashboard: Value = serde_json::from_str(&text("deploy/grafana/latchkey.json")).expect("JSON");
    let mut queries = Vec::new();
    for panel in dashboard["panels"].as_array().expect("panels") {
        for target in panel["targets"].as_array().into_iter().flatten() {
            queries.push(target["expr"].as_str().expect("a query").to_owned());
        }
    }
    assert!(queries.len() > 30, "{}", queries.len());
    queries
}

/// Replaces the variables of a panel by sums.
fn variables() -> Vec<String> {
    let dashboard: Value = serde_json::from_str(&text("deploy/grafana/latchkey.json")).expect("JSON");
    let all = dashboard["templating"]["list"].as_array().expect("variables").iter();
    let queries =
        all.filter_map(|variable| variable["query"]["query"].as_str()?.strip_prefix("label_values("));
    let parts = queries.filter_map(|query| query.trim_end_matches(')').split_once(", "));
    parts.map(|(metric, label)| format!("sum by ({label}) ({metric})")).collect()
}

/// Returns every alert and its query.
pub(crate) fn rules() -> Vec<(String, String)> {
    let rules: Value = serde_saphyr::from_str(&text("deploy/prometheus/latchkey.rules.yml")).expect("YAML");
    let mut all = Vec::new();
    for group in rules["groups"].as_array().expect("groups") {
        for rule in group["rules"].as_array().expect("rules") {
            assert!(rule["annotations"]["summary"].is_string() && rule["labels"]["severity"].is_string());
            let word =
                |name: &str| rule[name].as_str().unwrap_or_else(|| panic!("{name}: {rule}")).to_owned();
            all.push((word("alert"), word("expr")));
        }
    }
    all
}

/// Returns every query of the page on alerts: one on each line of its blocks.
pub(crate) fn page_queries() -> Vec<String> {
    let page = text("docs/alerts.md");
    let blocks = page.split("```promql\n").skip(1).filter_map(|rest| rest.split("```").next());
    let lines = blocks.flat_map(|block| block.lines().map(|line| line.trim().to_owned()));
    let queries: Vec<String> = lines.filter(|line| !line.is_empty()).collect();
    assert!(queries.len() > 8, "{queries:?}");
    queries
}

/// Returns every query of the dashboard, of the alerts and of the page on alerts.
fn queries() -> Vec<String> {
    let rules = rules().into_iter().map(|(_, query)| query);
    panels().into_iter().chain(variables()).chain(rules).chain(page_queries()).collect()
}

/// Parts of a query: metrics with the labels in their braces, and labels that it sums or matches by.
struct ParsedQuery {
    metrics: Vec<(String, Vec<String>)>,
    by: Vec<String>,
}

/// Parses a query. The queries have no strings with braces, and no metric without an underscore.
fn parse_query(query: &str) -> ParsedQuery {
    let mut asked = ParsedQuery { metrics: Vec::new(), by: Vec::new() };
    let mut rest = query;
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    while let Some(begin) = rest.find(|c: char| c.is_ascii_alphabetic() || c == '_') {
        rest = &rest[begin..];
        let (word, after) = rest.split_at(rest.find(|c| !is_word(c)).unwrap_or(rest.len()));
        rest = after;
        if ["by", "on", "ignoring", "without"].contains(&word) {
            let list = after.trim_start().strip_prefix('(').expect("a list of labels");
            let (list, after) = list.split_once(')').expect("a closed list");
            asked.by.extend(list.split(',').map(|label| label.trim().to_owned()));
            rest = after;
        } else if word.starts_with("latchkey_") || word.starts_with("process_") || word.starts_with("rpc_") {
            let mut labels = Vec::new();
            if let Some(inside) = after.strip_prefix('{') {
                let (inside, after) = inside.split_once('}').expect("closed braces");
                labels.extend(
                    inside
                        .split("\",")
                        .filter_map(|pair| Some(pair.split(['=', '!']).next()?.trim().to_owned())),
                );
                rest = after;
            }
            asked.metrics.push((word.to_owned(), labels));
        }
    }
    asked
}

#[tokio::test(flavor = "multi_thread")]
async fn the_dashboard_and_the_alerts_ask_for_what_is_exported_alone() {
    let (exported, _) = exported().await;
    let mut missing = Vec::new();
    for query in queries() {
        let ParsedQuery { metrics, by } = parse_query(&query);
        assert!(!metrics.is_empty(), "{query}");
        let mut near: BTreeSet<&str> = ADDED.into();
        for (name, labels) in &metrics {
            let Some(known) = exported.get(name) else {
                missing.push(format!("{name} of {query}"));
                continue;
            };
            near.extend(known.iter().map(String::as_str));
            let strange = labels.iter().filter(|l| !known.contains(*l) && !ADDED.contains(&l.as_str()));
            missing.extend(strange.map(|label| format!("{label} at {name} of {query}")));
        }
        missing.extend(by.iter().filter(|l| !near.contains(l.as_str())).map(|l| format!("{l} of {query}")));
    }
    assert!(missing.is_empty(), "{}", missing.join("\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_documentation_has_every_metric_that_is_exported_and_no_other() {
    let (_, names) = exported().await;
    let page = text("docs/telemetry.md");
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `")?.split_once('`'));
    let output: BTreeSet<String> = rows
        .map(|(name, _)| name.to_owned())
        .filter(|name| ["latchkey_", "process_", "rpc_"].iter().any(|begin| name.starts_with(begin)))
        .collect();
    let (missing, gone): (Vec<_>, Vec<_>) =
        (names.difference(&output).collect(), output.difference(&names).collect());
    assert!(missing.is_empty() && gone.is_empty(), "not documented: {missing:?}; not exported: {gone:?}");
}

#[test]
fn each_alert_has_a_section_that_says_how_to_respond() {
    let page = text("docs/alerts.md");
    let sections: Vec<&str> = page.split("\n### ").skip(1).collect();
    let titles: BTreeSet<&str> = sections.iter().filter_map(|section| section.lines().next()).collect();
    let rules = rules();
    assert_eq!(titles, rules.iter().map(|(name, _)| name.as_str()).collect::<BTreeSet<_>>());
    for section in sections {
        // A section may refer to another alert in place of words of its own.
        let refers = section.contains("See `Latchkey");
        let complete =
            ["- **Clients:**", "- **Look:**", "- **Do:**"].iter().all(|part| section.contains(part));
        assert!(refers || complete, "{section}");
    }
}

#[test]
fn a_query_is_read_as_it_is_meant() {
    let read = parse_query(
        r#"sum by (le, a) (rate(latchkey_x_total{b="1", c!~"d|e"}[5m])) / on (f) latchkey_y > 3"#,
    );
    let metrics: Vec<(&str, usize)> = read.metrics.iter().map(|(n, labels)| (&**n, labels.len())).collect();
    assert_eq!(metrics, [("latchkey_x_total", 2), ("latchkey_y", 0)]);
    assert_eq!((read.by.join(" "), read.metrics[0].1.join(" ")), ("le a f".into(), "b c".into()));
}
