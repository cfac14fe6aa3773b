//! The alerts and the dashboard, checked by Prometheus's own promtool: it validates the rules, simulates the
//! situation of each alert (`alerts.yml`) and parses every query of the dashboard. Grafana itself is not run.

use std::path::Path;
use std::process::{Command, Output};

use latchkey_testing::{Folder, dashboard_query, tool};
use serde_json::Value;

use crate::{read, root, text};

fn promtool(words: &[&str], file: &Path) -> Output {
    Command::new(tool("promtool")).args(words).arg(file).output().expect("promtool starts")
}

fn alerts() -> Vec<String> {
    let rules: Value = serde_saphyr::from_str(&read("deploy/prometheus/latchkey.rules.yml")).expect("YAML");
    let groups = rules["groups"].as_array().expect("groups").iter();
    let rules = groups.flat_map(|group| group["rules"].as_array().expect("rules"));
    rules.map(|rule| rule["alert"].as_str().expect("a name").to_owned()).collect()
}

#[test]
fn prometheus_takes_the_rules() {
    let rules = root().join("deploy/prometheus/latchkey.rules.yml");
    let output = promtool(&["check", "rules", "--lint=all", "--lint-fatal"], &rules);
    assert!(output.status.success(), "{}", text(&output));
}

#[test]
fn every_alert_fires_in_its_own_situation_and_none_in_a_quiet_hour() {
    let plays = root().join("tests/deploy/alerts.yml");
    let played: Value = serde_saphyr::from_str(&read("tests/deploy/alerts.yml")).expect("YAML");
    let (quiet, loud): (Vec<&Value>, Vec<&Value>) =
        played["tests"].as_array().expect("tests").iter().partition(|test| test["name"] == "a quiet hour");
    let watched = |test: &Value, alert: &str, fires: bool| {
        let tried = test["alert_rule_test"].as_array().expect("alerts").iter();
        let mut tried = tried.filter(|tried| tried["alertname"] == alert);
        tried.any(|tried| tried["exp_alerts"].as_array().is_some_and(|alerts| alerts.is_empty() != fires))
    };
    for alert in alerts() {
        assert!(loud.iter().any(|test| watched(test, &alert, true)), "{alert} is never seen to fire");
        assert!(quiet.iter().any(|test| watched(test, &alert, false)), "{alert} may fire in a quiet hour");
    }
    let output = promtool(&["test", "rules"], &plays);
    assert!(output.status.success(), "{}", text(&output));
}

#[test]
fn prometheus_reads_every_query_of_the_dashboard() {
    let dashboard: Value = serde_json::from_str(&read("deploy/grafana/latchkey.json")).expect("JSON");
    let mut rules = String::from("groups:\n  - name: dashboard\n    rules:\n");
    let mut queries = 0;
    for panel in dashboard["panels"].as_array().expect("panels") {
        for target in panel["targets"].as_array().into_iter().flatten() {
            let query = dashboard_query(target["expr"].as_str().expect("a query"));
            let query = serde_json::to_string(&query).expect("JSON is YAML");
            rules.extend([
                "      - { record: dashboard:query:",
                &queries.to_string(),
                ", expr: ",
                &query,
                " }\n",
            ]);
            queries += 1;
        }
    }
    assert!(queries > 40, "{queries}");
    let folder = Folder::new("dashboard");
    let output = promtool(&["check", "rules"], &folder.write("dashboard.yml", &rules));
    assert!(output.status.success(), "{}", text(&output));
}
