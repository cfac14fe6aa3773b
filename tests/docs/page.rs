//! A page's links and headings, as a reader of Markdown finds them: not in code, and by reference too.

use std::collections::{BTreeMap, BTreeSet};

/// Returns the lines outside of code blocks, without inline code.
fn prose(page: &str) -> impl Iterator<Item = String> {
    let mut fence: Option<&str> = None;
    page.lines().filter_map(move |line| {
        let ticks = &line.trim_start()[..line.trim_start().bytes().take_while(|b| *b == b'`').count()];
        match fence {
            Some(open) if ticks.len() >= open.len() && line.trim() == ticks => fence = None,
            None if ticks.len() >= 3 => fence = Some(ticks),
            None => return Some(without_code(line)),
            Some(_) => {}
        }
        None
    })
}

/// Returns a line without the text between backticks.
fn without_code(line: &str) -> String {
    line.split('`').step_by(2).collect::<Vec<_>>().join("``")
}

/// Returns the targets of a page's links, apart from those to other sites.
pub(crate) fn links(page: &str) -> Vec<String> {
    let lines: Vec<String> = prose(page).collect();
    let defined: BTreeMap<String, &str> = lines.iter().filter_map(|line| definition(line)).collect();
    let mut found: Vec<String> = defined.values().map(|target| (*target).to_owned()).collect();
    let text = lines.join("\n");
    for rest in text.split("](").skip(1) {
        found.extend(rest.split_once(')').map(|(target, _)| target.to_owned()));
    }
    for rest in text.split("][").skip(1) {
        let name = rest.split_once(']').map(|(name, _)| name.to_lowercase());
        // A name without a definition has no target, and is reported unchanged.
        found.extend(name.filter(|name| !defined.contains_key(name)));
    }
    let elsewhere = |target: &String| target.contains("://") || target.contains(' ') || target.is_empty();
    found.retain(|target| !elsewhere(target));
    found
}

/// Parses `[name]: target`.
fn definition(line: &str) -> Option<(String, &str)> {
    let (name, target) = line.strip_prefix('[')?.split_once("]:")?;
    Some((name.to_lowercase(), target.split_whitespace().next()?))
}

/// Returns the anchors of the headings; a second heading with the same text gets a number.
pub(crate) fn anchors(page: &str) -> BTreeSet<String> {
    let kept = |c: &char| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_');
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    let mut fence = false;
    let mut anchors = BTreeSet::new();
    for line in page.lines() {
        fence ^= line.trim_start().starts_with("```");
        if fence || !line.starts_with('#') {
            continue;
        }
        let words = line.trim_start_matches('#').trim().to_lowercase();
        let anchor: String = words.chars().filter(kept).map(|c| if c == ' ' { '-' } else { c }).collect();
        let before = seen.entry(anchor.clone()).or_default();
        anchors.insert(if *before == 0 { anchor } else { format!("{anchor}-{before}") });
        *before += 1;
    }
    anchors
}

#[test]
fn links_and_headings_are_found_outside_of_code_alone() {
    let page = "# One\n[a](b.md), ![c](d.svg), `[e](f.md)`, [g][H], [i][j], [k](https://l.example)\n\
                ```toml\n# Two\n[m](n.md)\n```\n## One\n\n[h]: o.md\n";
    assert_eq!(links(page), ["o.md", "b.md", "d.svg", "j"]);
    assert_eq!(anchors(page), BTreeSet::from(["one".to_owned(), "one-1".to_owned()]));
}
