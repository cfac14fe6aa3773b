//! Compares the table of statements with the tests: every test that it names exists, and every test of a
//! product is in it.

use std::collections::BTreeSet;
use std::path::Path;

const TABLE: &str = include_str!("statements.md");
const SUITES: [&str; 4] = ["tests/products", "tests/paykore", "tests/rest", "crates/profile/tests/suite"];

/// Returns the names of all test functions of these folders.
fn tests(folders: &[&str]) -> BTreeSet<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut names = BTreeSet::new();
    for folder in folders {
        let Ok(entries) = root.join(folder).read_dir() else { continue };
        for entry in entries.flatten().filter(|e| e.path().extension().is_some_and(|x| x == "rs")) {
            let text = std::fs::read_to_string(entry.path()).expect("a test's file can be read");
            let asked = text.split("#[tokio::test(flavor = \"multi_thread\")]\nasync fn ").skip(1);
            let macros = text.split("both_ways!(\n").nth(1).and_then(|rest| rest.split(");").next());
            let macros = macros.or_else(|| text.split("\nboth_ways!(").nth(1)?.split(");").next());
            names.extend(asked.filter_map(|rest| rest.split('(').next()).map(str::to_owned));
            names.extend(
                macros.into_iter().flat_map(|list| list.split(',')).map(|name| name.trim().to_owned()),
            );
            let plain = text.split("#[test]\nfn ").skip(1).filter_map(|rest| rest.split('(').next());
            names.extend(plain.map(str::to_owned));
        }
    }
    names.remove("");
    names
}

/// Returns the tests that the table names.
fn named() -> BTreeSet<String> {
    let rows = TABLE.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| statement"));
    let last = rows.filter_map(|row| row.trim_end_matches(" |").rsplit(" | ").next());
    last.flat_map(|cell| cell.split('`').skip(1).step_by(2)).map(str::to_owned).collect()
}

#[test]
fn every_test_that_the_table_names_is_there() {
    let there = tests(&SUITES);
    let missing: Vec<String> = named().into_iter().filter(|name| !there.contains(name)).collect();
    assert!(missing.is_empty(), "no such tests: {missing:#?}");
    assert!(named().len() > 40);
}

#[test]
fn every_test_of_a_product_stands_in_the_table() {
    let named = named();
    let products =
        tests(&SUITES[..3]).into_iter().filter(|name| !named.contains(name) && !name.ends_with("_there"));
    let products: Vec<String> = products.filter(|name| !name.ends_with("_in_the_table")).collect();
    assert!(products.is_empty(), "not in the table: {products:#?}");
}
