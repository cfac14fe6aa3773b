//! The book as mdbook builds it: it builds without warnings, and every link in its pages leads to an existing
//! file and anchor.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use latchkey_testing::{Folder, tool};

use super::root;

/// Returns the values of an attribute.
fn values<'a>(html: &'a str, attribute: &str) -> Vec<&'a str> {
    let opening = format!(" {attribute}=\"");
    html.split(opening.as_str()).skip(1).filter_map(|rest| Some(rest.split_once('"')?.0)).collect()
}

fn pages(folder: &Path) -> BTreeMap<PathBuf, String> {
    let entries = std::fs::read_dir(folder).expect("the book");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    let pages = paths.filter(|path| path.extension().is_some_and(|extension| extension == "html"));
    pages.map(|path| (path.clone(), std::fs::read_to_string(&path).expect("a page"))).collect()
}

#[test]
fn the_book_is_built_and_every_link_in_it_leads_somewhere() {
    let folder = Folder::new("book");
    let output = Command::new(tool("mdbook")).arg("build").arg("-d").arg(folder.path()).arg(root()).output();
    let output = output.expect("mdbook starts");
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success() && !text.contains("WARN") && !text.contains("ERROR"), "{text}");
    let pages = pages(folder.path());
    assert!(pages.len() > 15, "{:?}", pages.keys());
    let places: BTreeMap<&PathBuf, BTreeSet<&str>> =
        pages.iter().map(|(path, html)| (path, values(html, "id").into_iter().collect())).collect();
    let (mut broken, mut followed) = (Vec::new(), 0);
    for (path, html) in &pages {
        for link in values(html, "href").into_iter().chain(values(html, "src")) {
            // The page for missing paths has a base URL for its own links.
            if link.contains(':') || link.is_empty() || path.ends_with("404.html") {
                continue;
            }
            followed += 1;
            let (file, place) = link.split_once('#').unwrap_or((link, ""));
            let target = if file.is_empty() { path.clone() } else { folder.path().join(file) };
            let there =
                places.get(&target).map_or(place.is_empty(), |ids| place.is_empty() || ids.contains(place));
            if !target.is_file() || !there {
                broken.push(format!("{}: {link}", path.display()));
            }
        }
    }
    assert!(followed > 1_000, "only {followed} links were found");
    assert!(broken.is_empty(), "{broken:#?}");
}
