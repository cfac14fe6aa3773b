//! Proofs that the threat model names exist: files, and tests by their names.

use std::path::{Path, PathBuf};

use super::{read, root};

/// Returns the content of every source file.
fn code(folder: &Path, found: &mut String) {
    let entries = std::fs::read_dir(folder).expect("a folder");
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    paths.sort();
    for path in paths {
        if path.is_dir() {
            code(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push_str(&read(&path));
        }
    }
}

#[test]
fn every_proof_that_the_page_of_threats_names_is_there() {
    let mut all = String::new();
    for folder in ["tests", "crates"] {
        code(&root().join(folder), &mut all);
    }
    let page = read(&root().join("docs/threat-model.md"));
    let parts = page.split("\n  Proof: ").skip(1);
    // A proof ends at the next attack, or at an empty line.
    let proofs = parts.filter_map(|part| part.split("\n- ").next()?.split("\n\n").next());
    let named: Vec<&str> = proofs.flat_map(|proof| proof.split('`').skip(1).step_by(2)).collect();
    assert!(named.len() > 30, "{named:?}");
    for name in named {
        let there = match name {
            path if ["tests", "crates", "fuzz/"].iter().any(|folder| path.starts_with(folder)) => {
                root().join(path).exists()
            }
            path if path.contains('/') => root().join("crates/server/src").join(path).exists(),
            test => all.contains(&format!("fn {test}(")),
        };
        assert!(there, "{name} is named as a proof, and is not there");
    }
}
