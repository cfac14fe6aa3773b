//! Known vulnerabilities of the linked crates: `RustSec`'s advisories, from the copy beside this file, so that no
//! network is needed. The first line of the copy has its date; `scripts/advisories` regenerates it.

use cargo_metadata::semver::{Version, VersionReq};
use serde::Deserialize;

use super::{METADATA, root};

#[derive(Deserialize)]
struct Copy {
    advisory: Vec<Advisory>,
}

/// Versions of an advisory (`RustSec`'s `EXAMPLE_ADVISORY.md`): those that are in neither list are affected.
#[derive(Deserialize)]
struct Advisory {
    id: String,
    #[serde(rename = "crate")]
    name: String,
    patched: Vec<VersionReq>,
    unaffected: Vec<VersionReq>,
}

impl Advisory {
    fn affects(&self, name: &str, version: &Version) -> bool {
        let fine = self.patched.iter().chain(&self.unaffected).any(|fine| fine.matches(version));
        self.name == name && !fine
    }
}

fn copy() -> Vec<Advisory> {
    let file = root().join("tests/architecture/advisories.toml");
    let text = std::fs::read_to_string(file).expect("the copy can be read");
    toml::from_str::<Copy>(&text).expect("the copy is as scripts/advisories writes it").advisory
}

/// Returns the advisories about these crates.
fn found<'a>(crates: impl Iterator<Item = (&'a str, Version)>) -> Vec<String> {
    let copy = copy();
    let of = |(name, version): (&str, Version)| {
        let affects = copy.iter().filter(|advisory| advisory.affects(name, &version));
        affects.map(|advisory| format!("{name} {version}: {}", advisory.id)).collect::<Vec<_>>()
    };
    crates.flat_map(of).collect()
}

#[test]
fn no_crate_that_is_built_in_has_a_known_vulnerability() {
    let crates = METADATA.packages.iter().map(|package| (package.name.as_str(), package.version.clone()));
    assert_eq!(found(crates), [""; 0], "see https://rustsec.org/advisories/ID");
}

#[test]
fn a_crate_with_a_known_vulnerability_is_found() {
    let holed = [("anyhow", "1.0.102"), ("anyhow", "1.0.103"), ("arc-swap", "0.4.1"), ("arc-swap", "1.0.0")];
    let holed = holed.map(|(name, version)| (name, Version::parse(version).expect("a version")));
    let expected = ["anyhow 1.0.102: RUSTSEC-2026-0190", "arc-swap 1.0.0: RUSTSEC-2020-0091"];
    assert_eq!(found(holed.into_iter()), expected);
}
