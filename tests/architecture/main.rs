//! Rules of the repository: dependencies between crates, licences and advisories of libraries, limits of files,
//! and fuzz targets. They are read from cargo's metadata and from the tracked files.

mod advisories;
mod dependencies;
mod files;
mod fuzzing;
mod licences;
mod notices;

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use cargo_metadata::{CargoOpt, Metadata, MetadataCommand};

static METADATA: LazyLock<Metadata> = LazyLock::new(|| {
    MetadataCommand::new()
        .manifest_path(root().join("Cargo.toml"))
        .features(CargoOpt::AllFeatures)
        .other_options(["--filter-platform", "x86_64-unknown-linux-gnu"].map(str::to_owned))
        .exec()
        .expect("cargo metadata answers")
});

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Files that git tracks or would track, relative to the root.
fn tracked() -> Vec<PathBuf> {
    let list = std::process::Command::new("git")
        .args(["ls-files", "--cached", "--others", "--exclude-standard"])
        .current_dir(root())
        .output()
        .expect("git is installed");
    assert!(list.status.success(), "the tests run in a git repository");
    let names = String::from_utf8(list.stdout).expect("file names are UTF-8");
    names.lines().map(PathBuf::from).filter(|file| root().join(file).is_file()).collect()
}
