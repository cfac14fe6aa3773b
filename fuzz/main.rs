//! Fuzzer of one target, whose name is in `LATCHKEY_FUZZ_TARGET`. All other arguments are libFuzzer's. The targets are
//! functions of the crates that they test, so that `cargo test` can run them too.

#![no_main]

use std::sync::LazyLock;

/// Targets by name. Each has a folder of its name in `corpus`.
const TARGETS: [(&str, fn(&[u8])); 8] = [
    ("credentials", latchkey_profile::fuzzing::credentials),
    ("ext_authz", latchkey_grpc::fuzzing::ext_authz),
    ("hosts", latchkey_profile::fuzzing::hosts),
    ("page_token", latchkey_management::fuzzing::page_token),
    ("path", latchkey_core::fuzzing::path),
    ("profile", latchkey_profile::fuzzing::profile),
    ("template", latchkey_profile::fuzzing::template),
    ("token", latchkey_core::fuzzing::token),
];

static TARGET: LazyLock<fn(&[u8])> = LazyLock::new(|| {
    let name = std::env::var("LATCHKEY_FUZZ_TARGET").unwrap_or_default();
    let target = TARGETS.iter().find(|(known, _)| *known == name);
    let names = TARGETS.map(|(known, _)| known).join(", ");
    target.unwrap_or_else(|| panic!("LATCHKEY_FUZZ_TARGET is {name:?}; the targets are {names}")).1
});

libfuzzer_sys::fuzz_target!(|data: &[u8]| TARGET(data));
