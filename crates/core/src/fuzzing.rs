//! Fuzz targets of this crate: a function of arbitrary bytes that panics if a property does not hold.

mod path;
mod token;

pub use self::path::path;
#[cfg(test)]
pub(crate) use self::token::claims;
pub use self::token::token;

#[cfg(test)]
#[path = "../../../fuzz/replay.rs"]
mod replay;

#[test]
fn the_corpus_of_paths_has_one_meaning() {
    replay::replay("path", path);
}

#[test]
fn the_corpus_of_tokens_is_refused_unless_signed() {
    replay::replay("token", token);
}
