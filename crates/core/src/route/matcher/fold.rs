//! Letter case of paths. Two paths that fold to the same text are one path to a server that ignores case.

use smallvec::SmallVec;

use crate::route::canonical::decode_segment;

/// A folded path. Usual paths need no allocation.
pub(super) struct FoldedPath(SmallVec<[u8; 128]>);

impl FoldedPath {
    pub(super) fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl PartialEq<str> for FoldedPath {
    fn eq(&self, other: &str) -> bool {
        self.as_str() == other
    }
}

/// Returns true if folding may change a canonical path: it has upper-case letters or encoded characters.
pub(super) fn has_case(path: &str) -> bool {
    // Reads all bytes instead of stopping at the first one, so that many are compared at a time.
    path.bytes().fold(false, |any, byte| any || byte.is_ascii_uppercase() || (byte == b'%'))
}

/// Returns a canonical path, or a segment, without letter case.
pub(super) fn fold(path: &str) -> FoldedPath {
    if !path.contains('%') {
        return FoldedPath(path.bytes().map(|byte| byte.to_ascii_lowercase()).collect());
    }
    let segments: Vec<String> = path.split('/').map(fold_segment).collect();
    FoldedPath(SmallVec::from_slice(segments.join("/").as_bytes()))
}

/// Folds by way of the upper case, so that the letters that have one in common are equal. A slash inside of a segment
/// becomes a character that no path has.
fn fold_segment(segment: &str) -> String {
    let text = decode_segment(segment).replace('/', "\u{1}");
    text.to_uppercase().to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_that_differ_in_case_fold_to_the_same() {
        for (one, two) in
            [("/V1/Items", "/v1/items"), ("/caf%C3%89", "/caf%C3%A9"), ("/%E2%84%AAey%20", "/KEY%20")]
        {
            assert_eq!(fold(one).as_str(), fold(two).as_str(), "{one} {two}");
        }
        assert_eq!(fold("/a/x").as_str(), "/a/x");
        assert_ne!(fold("/a%2Fx").as_str(), fold("/a/x").as_str());
        assert!(has_case("/Ab") && has_case("/a%20b") && !has_case("/v1/a_b-c.9"));
    }
}
