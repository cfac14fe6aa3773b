//! Finds the programs that the tests start, and says how to install what is missing.

use std::path::{Path, PathBuf};

/// Returns the workspace's folder.
pub(crate) fn workspace() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).expect("this package lies in tests/support").to_path_buf()
}

fn on_path(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(name)).find(|file| file.is_file())
}

/// Returns a tool that scripts/setup installs into `.tools/bin`, or that the machine has.
#[must_use]
pub fn tool(name: &str) -> PathBuf {
    let own = workspace().join(".tools/bin").join(name);
    if own.is_file() { Some(own) } else { on_path(name) }
        .unwrap_or_else(|| panic!("{name} is missing: run scripts/setup"))
}

/// Returns the folder of a library that scripts/setup installs into `.tools`; panics if this file of it is
/// missing.
pub(crate) fn library(name: &str, file: &str) -> PathBuf {
    let folder = workspace().join(".tools").join(name);
    assert!(folder.join(file).is_file(), "{name}'s {file} is missing: run scripts/setup");
    folder
}

/// Returns the folder with the libraries of Node.
#[must_use]
pub fn node_modules() -> PathBuf {
    library("node", "node_modules/express/package.json").join("node_modules")
}

/// Returns the folder with the newest PostgreSQL server's programs.
#[must_use]
pub fn postgres() -> PathBuf {
    let debian = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let newest = debian
        .map(|version| version.path().join("bin"))
        .filter(|folder| folder.join("initdb").is_file())
        .max_by_key(|folder| version_of(folder));
    newest
        .or_else(|| Some(on_path("postgres")?.canonicalize().ok()?.parent()?.to_path_buf()))
        .unwrap_or_else(|| panic!("PostgreSQL is missing: run scripts/setup"))
}

fn version_of(bin: &Path) -> u32 {
    let name = bin.parent().and_then(Path::file_name).and_then(|name| name.to_str());
    name.and_then(|name| name.parse().ok()).unwrap_or(0)
}
