//! Notices of third-party licences: the list of linked crates and the notices that ship with the program name
//! the same crates, each with a licence text.

use std::collections::BTreeSet;
use std::process::Command;

use super::{METADATA, root};

fn written(script: &str) -> String {
    let output = Command::new(root().join("scripts").join(script)).output();
    let output = output.unwrap_or_else(|error| panic!("scripts/{script} does not start: {error}"));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

/// Returns names and versions of the linked crates that are not of this repository.
fn built_in() -> BTreeSet<String> {
    let listed: serde_json::Value = serde_json::from_str(&written("sbom")).expect("CycloneDX's JSON");
    let here = METADATA.packages.iter().filter(|package| package.source.is_none());
    let own: BTreeSet<&str> = here.map(|package| package.name.as_str()).collect();
    let parts = listed["components"].as_array().expect("a list of parts").iter();
    let named = parts.map(|part| (part["name"].as_str(), part["version"].as_str()));
    let named = named.map(|(name, version)| (name.expect("a name"), version.expect("a version")));
    named.filter(|(name, _)| !own.contains(name)).map(|(name, version)| format!("{name} {version}")).collect()
}

#[test]
fn the_notices_name_every_crate_that_is_built_in() {
    let built_in = built_in();
    assert!(built_in.len() > 200, "{built_in:?}");
    let notices = written("notices");
    let line = format!("\n{}\n", "#".repeat(80));
    let mut parts = notices.split(line.as_str());
    let head = parts.next().expect("the list");
    let listed: BTreeSet<String> = head
        .lines()
        .filter_map(|line| Some(line.strip_prefix("- ")?.split_once(": ")?.0.to_owned()))
        .collect();
    assert_eq!(listed, built_in);
    let parts: Vec<&str> = parts.collect();
    let mut texts = BTreeSet::new();
    for pair in parts.chunks(2) {
        let [crates, text] = pair else {
            panic!("a text without crates, or crates without a text: {pair:?}")
        };
        assert!(text.trim().len() > 70, "{crates}: {text}");
        texts.extend(crates.split(", ").map(str::to_owned));
    }
    assert_eq!(texts, built_in);
}
