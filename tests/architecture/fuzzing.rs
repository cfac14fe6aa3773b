//! Fuzz targets: each has a corpus within the limits, a line in the readme, and a test that replays its corpus.

use std::collections::BTreeSet;
use std::path::Path;

use super::{root, tracked};

const MOST_INPUTS: usize = 50;
const MOST_BYTES: u64 = 100_000;

fn text(file: &str) -> String {
    std::fs::read_to_string(root().join(file)).expect("a file of this repository can be read")
}

fn targets() -> BTreeSet<String> {
    let rows = text("fuzz/main.rs");
    let rows = rows.lines().filter_map(|line| line.trim().strip_prefix("(\"")?.split_once("\", latchkey_"));
    rows.map(|(name, _)| name.to_owned()).collect()
}

#[test]
fn every_fuzz_target_has_a_small_corpus() {
    let files = tracked();
    let in_folder = |folder: &Path| files.iter().filter(|file| file.starts_with(folder)).collect::<Vec<_>>();
    let corpora: BTreeSet<String> = in_folder(Path::new("fuzz/corpus"))
        .iter()
        .filter_map(|file| Some(file.parent()?.file_name()?.to_str()?.to_owned()))
        .collect();
    assert_eq!(targets(), corpora);
    assert!(targets().len() >= 8, "{corpora:?}");
    for target in corpora {
        let inputs = in_folder(&Path::new("fuzz/corpus").join(&target));
        let size =
            |file: &&std::path::PathBuf| std::fs::metadata(root().join(file)).map_or(0, |file| file.len());
        let bytes: u64 = inputs.iter().map(size).sum();
        assert!(
            inputs.len() <= MOST_INPUTS && bytes <= MOST_BYTES,
            "{target}: {} inputs, {bytes} bytes",
            inputs.len()
        );
    }
}

#[test]
fn every_fuzz_target_is_replayed_and_described() {
    let readme = text("fuzz/README.md");
    let files = tracked();
    let tests = files.iter().filter(|file| file.ends_with("src/fuzzing.rs"));
    let tests: String = tests.filter_map(|file| Some(text(file.to_str()?))).collect();
    for target in targets() {
        assert!(readme.contains(&format!("| `{target}` |")), "{target} is not in fuzz/README.md");
        assert!(tests.contains(&format!("replay(\"{target}\", {target})")), "{target} is not replayed");
    }
}
