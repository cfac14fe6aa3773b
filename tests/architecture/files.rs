//! Limits of file sizes, the beginning of each file, and the places of modules and readmes.

use std::path::Path;

use super::{METADATA, root, tracked};

const LONGEST_FILE: usize = 300;
const LONGEST_README: usize = 40;

fn text(file: &Path) -> String {
    String::from_utf8_lossy(&std::fs::read(root().join(file)).expect("a tracked file can be read"))
        .into_owned()
}

/// Returns every Rust file that breaks a rule, with the message of the rule.
fn rust_files_that(rule: impl Fn(&str) -> Option<String>) -> Vec<String> {
    let files = tracked();
    let rust = files.iter().filter(|file| file.extension().is_some_and(|extension| extension == "rs"));
    rust.filter_map(|file| Some(format!("{}: {}", file.display(), rule(&text(file))?))).collect()
}

fn none(found: &[String]) {
    assert!(found.is_empty(), "\n{}", found.join("\n"));
}

#[test]
fn no_file_is_too_long() {
    none(&rust_files_that(|text| {
        let lines = text.lines().count();
        (lines > LONGEST_FILE).then(|| format!("{lines} lines"))
    }));
}

#[test]
fn every_file_begins_with_a_description() {
    none(&rust_files_that(|text| (!text.starts_with("//!")).then(|| "no words about it".to_owned())));
}

#[test]
fn modules_are_files_beside_their_folders() {
    assert!(tracked().iter().all(|file| !file.ends_with("mod.rs")));
}

#[test]
fn every_crate_has_a_short_readme() {
    let packages = METADATA.workspace_packages();
    let mut folders: Vec<_> =
        packages.iter().filter_map(|package| Some(package.manifest_path.parent()?.to_path_buf())).collect();
    folders.retain(|folder| folder.as_std_path() != root());
    folders.extend(
        ["fuzz", "proto", "profiles", "scripts", "tests"].map(|folder| METADATA.workspace_root.join(folder)),
    );
    let wrong = folders.iter().filter_map(|folder| match std::fs::read_to_string(folder.join("README.md")) {
        Ok(text) if text.lines().count() <= LONGEST_README => None,
        Ok(_) => Some(format!("{folder}/README.md is too long")),
        Err(_) => Some(format!("{folder} has no README.md")),
    });
    none(&wrong.collect::<Vec<_>>());
}
