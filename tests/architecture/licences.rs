//! Dependencies that may be linked: the licences and bans of `deny.toml`, which are also checked without
//! cargo-deny.

use std::collections::BTreeSet;

use super::{METADATA, root};

fn rules() -> String {
    std::fs::read_to_string(root().join("deny.toml")).expect("deny.toml can be read")
}

fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('"').skip(1).step_by(2)
}

/// Evaluates an SPDX expression, as far as crates use it: `OR`, `AND`, `/` for `OR`, and brackets.
fn permitted(expression: &str, allowed: &BTreeSet<&str>) -> bool {
    let expression = expression.replace('/', " OR ");
    for (word, all) in [(" AND ", true), (" OR ", false)] {
        let parts = split(&expression, word);
        if parts.len() > 1 {
            let mut parts = parts.iter().map(|part| permitted(part, allowed));
            return if all { parts.all(|yes| yes) } else { parts.any(|yes| yes) };
        }
    }
    let bare = expression.trim();
    match bare.strip_prefix('(').and_then(|inner| inner.strip_suffix(')')) {
        Some(inner) => permitted(inner, allowed),
        None => allowed.contains(bare),
    }
}

/// Splits an expression at a word outside of brackets.
fn split<'a>(text: &'a str, word: &str) -> Vec<&'a str> {
    let (mut parts, mut from) = (Vec::new(), 0);
    for (at, _) in text.match_indices(word) {
        let before = &text[..at];
        if before.matches('(').count() == before.matches(')').count() {
            parts.push(&text[from..at]);
            from = at + word.len();
        }
    }
    parts.push(&text[from..]);
    parts
}

#[test]
fn every_crate_has_a_licence_that_is_allowed() {
    let rules = rules();
    let list = rules.split("\nallow = [").nth(1).and_then(|rest| rest.split(']').next()).expect("a list");
    let allowed: BTreeSet<&str> = quoted(list).collect();
    for package in &METADATA.packages {
        let licence = package.license.as_deref().unwrap_or("none");
        assert!(permitted(licence, &allowed), "{} is under {licence}", package.id);
    }
}

#[test]
fn no_banned_crate_is_built_in() {
    let rules = rules();
    let banned: Vec<&str> = rules
        .lines()
        .filter(|line| line.contains("{ crate = "))
        .filter_map(|line| quoted(line).next())
        .collect();
    assert!(banned.contains(&"rsa") && banned.contains(&"openssl"), "the bans can't be read: {banned:?}");
    let resolve = METADATA.resolve.as_ref().expect("cargo resolves");
    for node in &resolve.nodes {
        let package = &METADATA[&node.id];
        assert!(!banned.contains(&package.name.as_str()), "{} is banned", package.id);
    }
}

#[test]
fn every_crate_comes_from_the_registry_or_from_here() {
    for package in &METADATA.packages {
        let foreign = package.source.as_ref().is_some_and(|source| !source.is_crates_io());
        assert!(!foreign, "{} comes from {:?}", package.id, package.source);
    }
}

#[test]
fn licence_expressions_are_understood() {
    let allowed = BTreeSet::from(["MIT", "Apache-2.0", "Unicode-3.0"]);
    for good in ["MIT", "MIT OR GPL-3.0", "GPL-3.0/MIT", "(MIT OR Apache-2.0) AND Unicode-3.0"] {
        assert!(permitted(good, &allowed), "{good}");
    }
    for bad in ["GPL-3.0", "MIT AND GPL-3.0", "(MIT OR Apache-2.0) AND GPL-3.0", "none"] {
        assert!(!permitted(bad, &allowed), "{bad}");
    }
}
