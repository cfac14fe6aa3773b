//! Fuzz targets of this crate: a function of arbitrary bytes that panics if a property does not hold.

use crate::ext_authz::comparison::{ours, theirs};

/// Reads a `CheckRequest` of Envoy with the reader of this crate and with prost.
///
/// # Panics
///
/// Panics if one of them accepts what the other rejects, or finds another meaning.
pub fn ext_authz(data: &[u8]) {
    assert_eq!(ours(data), theirs(data));
}

#[cfg(test)]
#[path = "../../../fuzz/replay.rs"]
mod replay;

#[test]
fn the_corpus_of_ext_authz_is_read_as_prost_reads_it() {
    replay::replay("ext_authz", ext_authz);
}
