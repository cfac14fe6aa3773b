//! Figures of pages whose runs are stored: the tables and charts are those that the scripts generate from the
//! stored run.

use std::path::Path;
use std::process::Command;

use latchkey_testing::Folder;

use super::{read, root};

/// Returns the output of a script in the repository.
fn output(script: &str, arguments: &[&Path]) -> String {
    let run = Command::new(root().join("scripts").join(script)).args(arguments).output().expect("it starts");
    assert!(run.status.success(), "{script}: {}", String::from_utf8_lossy(&run.stderr));
    String::from_utf8(run.stdout).expect("text")
}

#[test]
fn the_comparison_with_other_services_is_that_of_the_stored_run() {
    let run = root().join("benches/wire/results/peers.json");
    // The date, the rounds and the versions come before the table.
    let shown = output("bench-peers", &[Path::new("--show"), &run]);
    assert_lines(&shown, 8);
    assert_chart("peers");
}

#[test]
fn the_figures_of_lists_are_those_of_the_stored_run() {
    let run = root().join("benches/wire/results/lists.json");
    let shown = output("bench-lists", &[Path::new("--show"), &run]);
    let (_, table) = shown.split_once("\n\n").expect("a heading");
    assert_lines(table, 12);
    assert_chart("lists");
}

#[test]
fn the_charts_are_those_of_the_stored_runs() {
    for name in ["check-cpu", "envoy-latency", "revocation-times", "writes"] {
        assert_chart(name);
    }
}

/// Asserts that the page has every line, and that there are more than a number of them.
fn assert_lines(shown: &str, more_than: usize) {
    let page = read(&root().join("docs/performance.md"));
    let lines: Vec<&str> = shown.lines().filter(|line| !line.is_empty()).collect();
    assert!(lines.len() > more_than, "{shown}");
    for line in lines {
        assert!(page.contains(line), "docs/performance.md does not have this line: {line}");
    }
}

/// Asserts that the chart of a stored run is in the documentation as scripts/chart draws it.
fn assert_chart(name: &str) {
    let page = read(&root().join("docs/performance.md"));
    let run = root().join(format!("benches/wire/results/{name}.json"));
    let folder = Folder::new("chart");
    let drawn = folder.path().join(format!("{name}.svg"));
    let markdown = output("chart", &[&run, &drawn]);
    let kept = root().join(format!("docs/{name}.svg"));
    assert_eq!(read(&drawn), read(&kept), "scripts/chart makes another docs/{name}.svg");
    assert!(page.contains(markdown.trim()), "docs/performance.md does not have the chart: {markdown}");
}
