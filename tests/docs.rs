//! What people read: every link from one page to another leads somewhere, and every page is in the list of pages.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn is_page(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "md")
}

/// Every page that is committed, wherever it is.
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

/// Where the links of a page lead to, apart from those to other places on the net.
fn links(page: &str) -> impl Iterator<Item = &str> {
    let targets = page.split("](").skip(1).filter_map(|rest| rest.split_once(')').map(|(target, _)| target));
    targets.filter(|target| !target.contains("://") && !target.contains(' ') && !target.is_empty())
}

/// A heading as it is linked to.
fn anchors(page: &str) -> BTreeSet<String> {
    let headings =
        page.lines().filter(|line| line.starts_with('#')).map(|line| line.trim_start_matches('#').trim());
    let kept = |c: &char| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_');
    headings
        .map(|h| h.to_lowercase().chars().filter(kept).map(|c| if c == ' ' { '-' } else { c }).collect())
        .collect()
}

#[test]
fn every_link_leads_somewhere() {
    let pages = pages();
    assert!(pages.len() > 20, "{pages:?}");
    let mut broken = Vec::new();
    let mut followed = 0;
    for page in &pages {
        let text = std::fs::read_to_string(page).expect("a page");
        for link in links(&text) {
            followed += 1;
            let (file, anchor) =
                link.split_once('#').map_or((link, None), |(file, anchor)| (file, Some(anchor)));
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
    assert!(followed > 20, "only {followed} links were found");
    assert!(broken.is_empty(), "{broken:#?}");
}

#[test]
fn every_page_of_the_handbook_is_in_its_list() {
    let list = std::fs::read_to_string(root().join("docs/SUMMARY.md")).expect("docs/SUMMARY.md");
    let listed: BTreeSet<&str> = links(&list).collect();
    for entry in std::fs::read_dir(root().join("docs")).expect("docs") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if is_page(&path) && name != "SUMMARY.md" {
            assert!(listed.contains(&*name), "{name} is not in docs/SUMMARY.md");
        }
    }
}
