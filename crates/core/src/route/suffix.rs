//! Suffixes of the last segment of a path. Some servers run the action of `/v1/export` for `/v1/export.csv` (Rails,
//! Spring MVC before 5.3), and for `/v1/export.` and `/v1/export%20` (Windows).

use smallvec::SmallVec;

/// Encoded space, as a canonical path has it.
const SPACE: &str = "%20";

/// Returns true if the last segment of a canonical path may have a suffix. Most paths have none.
pub(super) fn may_have_suffix(path: &str) -> bool {
    path.bytes().rfind(|byte| matches!(byte, b'/' | b'.')) == Some(b'.') || path.ends_with(SPACE)
}

/// Returns a canonical path without the suffix of its last segment, in each form that servers make: without dots and
/// spaces at the end, cut at the last dot, and cut at the first one.
pub(super) fn stems(path: &str) -> SmallVec<[&str; 3]> {
    let begin = path.rfind('/').map_or(0, |slash| slash + 1);
    let last = &path[begin..];
    let plain = trimmed(last);
    let ends = [Some(plain.len()), plain.rfind('.'), plain.find('.')];
    let mut stems = SmallVec::new();
    for end in ends.into_iter().flatten().map(|end| trimmed(&plain[..end]).len()) {
        let stem = &path[..begin + end];
        if end > 0 && end < last.len() && !stems.contains(&stem) {
            stems.push(stem);
        }
    }
    stems
}

/// Returns a segment without dots and spaces at its end.
pub(super) fn trimmed(segment: &str) -> &str {
    let mut plain = segment;
    while let Some(shorter) = plain.strip_suffix('.').or_else(|| plain.strip_suffix(SPACE)) {
        plain = shorter;
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_suffix_is_cut_in_each_form_that_servers_make() {
        for (path, expected) in [
            ("/v1/void.json", &["/v1/void"][..]),
            ("/v1/void.tar.gz", &["/v1/void.tar", "/v1/void"]),
            ("/v1/void.", &["/v1/void"]),
            ("/v1/void%20.%20", &["/v1/void"]),
            ("/v1/void%20.csv", &["/v1/void"]),
            ("/v1/void.csv.", &["/v1/void.csv", "/v1/void"]),
            ("/v1/.env", &[]),
            ("/v1.0/void", &[]),
            ("/v1/a%20b", &[]),
            ("/", &[]),
        ] {
            assert_eq!(stems(path).as_slice(), expected, "{path}");
            assert!(expected.is_empty() || may_have_suffix(path), "{path}");
        }
        assert!(!may_have_suffix("/v1.0/void") && !may_have_suffix("/v1/a%20b"));
    }
}
