//! Tests of the handbook: every link from one page to another has a target, every page is in the table of
//! contents, and the generated book has no broken links.

mod book;
mod command_line;
mod figures;
mod page;
mod proofs;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use page::{anchors, links};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn is_page(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "md")
}

/// Returns every committed page of the repository.
fn pages() -> Vec<PathBuf> {
    let (mut waiting, mut found) = (vec![root().to_owned()], Vec::new());
    while let Some(folder) = waiting.pop() {
        for entry in std::fs::read_dir(&folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if path.is_dir() && !name.starts_with('.') && name != "target" && name != "node_modules" {
                waiting.push(path);
            } else if is_page(&path) {
                found.push(path);
            }
        }
    }
    found
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn every_link_leads_somewhere() {
    let pages = pages();
    assert!(pages.len() > 20, "{pages:?}");
    let mut broken = Vec::new();
    let mut followed = 0;
    for page in &pages {
        for link in links(&read(page)) {
            followed += 1;
            let (file, anchor) =
                link.split_once('#').map_or((link.as_str(), None), |(file, anchor)| (file, Some(anchor)));
            let target = if file.is_empty() { page.clone() } else { page.with_file_name(file) };
            let there = match anchor {
                None => target.exists(),
                Some(anchor) => std::fs::read_to_string(&target).is_ok_and(|t| anchors(&t).contains(anchor)),
            };
            if !there {
                broken.push(format!("{}: {link}", page.strip_prefix(root()).unwrap_or(page).display()));
            }
        }
    }
    assert!(followed > 100, "only {followed} links were found");
    assert!(broken.is_empty(), "{broken:#?}");
}

#[test]
fn every_page_of_the_handbook_is_in_its_list() {
    let listed: BTreeSet<String> = links(&read(&root().join("docs/SUMMARY.md"))).into_iter().collect();
    for entry in std::fs::read_dir(root().join("docs")).expect("docs") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if is_page(&path) && name != "SUMMARY.md" {
            assert!(listed.contains(&*name), "{name} is not in docs/SUMMARY.md");
        }
    }
}

#[test]
fn pages_of_the_handbook_link_to_each_other_alone() {
    for listed in links(&read(&root().join("docs/SUMMARY.md"))) {
        for link in links(&read(&root().join("docs").join(&listed))) {
            assert!(!link.starts_with("../"), "{listed} links to {link}, which is not in the book");
        }
    }
}
