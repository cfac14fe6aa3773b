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
    let page = read(&root().join("docs/performance.md"));
    let shown = output("bench-peers", &[Path::new("--show"), &run]);
    // The date, the rounds and the versions come before the table.
    let lines: Vec<&str> = shown.lines().filter(|line| !line.is_empty()).collect();
    assert!(lines.len() > 8, "{shown}");
    for line in lines {
        assert!(page.contains(line), "docs/performance.md does not have this line: {line}");
    }
    assert_chart("peers", &page);
}

#[test]
fn the_chart_of_writes_is_that_of_the_stored_run() {
    assert_chart("writes", &read(&root().join("docs/performance.md")));
}

/// Asserts that the chart of a stored run is in the documentation as scripts/chart draws it.
fn assert_chart(name: &str, page: &str) {
    let run = root().join(format!("benches/wire/results/{name}.json"));
    let folder = Folder::new("chart");
    let drawn = folder.path().join(format!("{name}.svg"));
    let markdown = output("chart", &[&run, &drawn]);
    let kept = root().join(format!("docs/{name}.svg"));
    assert_eq!(read(&drawn), read(&kept), "scripts/chart makes another docs/{name}.svg");
    assert!(page.contains(markdown.trim()), "docs/performance.md does not have the chart: {markdown}");
}
