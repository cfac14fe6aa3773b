//! Figures of pages that are stored: their tables and charts are those that the scripts make of the stored run.

use std::path::Path;
use std::process::Command;

use latchkey_testing::Folder;

use super::{read, root};

/// The output of a script in the repository.
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
    let folder = Folder::new("chart");
    let drawn = folder.path().join("peers.svg");
    let markdown = output("chart", &[&run, &drawn]);
    assert_eq!(
        read(&drawn),
        read(&root().join("docs/peers.svg")),
        "scripts/chart makes another docs/peers.svg"
    );
    assert!(page.contains(markdown.trim()), "docs/performance.md does not have the chart: {markdown}");
}
