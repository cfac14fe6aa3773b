//! Fuzz targets of this crate: a function of arbitrary bytes that panics if a property does not hold.

mod credentials;
mod fixture;
mod hosts;
mod profile;
mod template;

pub use self::credentials::credentials;
pub use self::hosts::hosts;
pub use self::profile::profile;
pub use self::template::template;

#[cfg(test)]
#[path = "../../../fuzz/replay.rs"]
mod replay;

#[test]
fn no_upstream_gets_a_credential_of_the_corpus() {
    replay::replay("credentials", credentials);
}

#[test]
fn the_corpus_of_hosts_matches_the_patterns_that_cover_them() {
    replay::replay("hosts", hosts);
}

#[test]
fn the_corpus_of_profiles_compiles_in_one_way() {
    replay::replay("profile", profile);
}

#[test]
fn values_of_the_corpus_of_templates_are_escaped() {
    replay::replay("template", template);
}
