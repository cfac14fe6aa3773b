//! Ways in which servers read a path. Some keep empty segments, path parameters, dot segments or encoded
//! characters that others drop, resolve or decode. A call is allowed only if each way leads to the same route.

use smallvec::SmallVec;

use super::canonical::{DecodedPath, PathError, decode, is_canonical};
use crate::check_input::Path;

/// Longest path without its query, as in a native Check. Each reading of a path costs time before a credential is known.
pub(super) const MAX_PATH_BYTES: usize = 8 * 1024;

/// Segment that stands for an empty one where a server keeps it. No path has this character.
pub(super) const EMPTY_SEGMENT: &str = "\u{0}";

/// Forms that servers make of one path, the canonical one first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathReadings {
    forms: SmallVec<[Reading; 2]>,
    encoded_slash: bool,
}

/// A form of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reading {
    pub(super) path: Box<str>,
    /// True for the form of servers to which a slash at the end makes another path. It counts only if a route
    /// has it, because otherwise such servers answer with a redirect or 404.
    pub(super) keeps_last_slash: bool,
}

/// Parts of a path that a server keeps.
#[derive(Clone, Copy, Default)]
#[expect(clippy::struct_excessive_bools, reason = "a server keeps or drops each part by itself")]
pub(super) struct Structure {
    empty_segments: bool,
    parameters: bool,
    dots: bool,
    last_slash: bool,
}

impl PathReadings {
    /// Returns the canonical form.
    #[must_use]
    pub fn canonical(&self) -> &str {
        self.forms.first().map_or("", |form| &form.path)
    }

    /// Returns true if the path has an encoded slash. Only a route that permits it may take the path.
    #[must_use]
    pub fn has_encoded_slash(&self) -> bool {
        self.encoded_slash
    }

    pub(super) fn forms(&self) -> &[Reading] {
        &self.forms
    }

    fn add(&mut self, path: String, keeps_last_slash: bool) {
        if self.forms.iter().all(|form| *form.path != *path) {
            self.forms.push(Reading { path: path.into(), keeps_last_slash });
        }
    }
}

/// Returns a path as the gate needs it. A query after a `?` is cut off.
#[must_use]
pub fn parse(raw: &str) -> Path<'_> {
    match absolute(raw) {
        Ok(path) if is_canonical(path) => Path::Canonical(path.into()),
        Ok(path) => decode(path).and_then(|decoded| all(path, &decoded)).unwrap_or_else(Path::NonCanonical),
        Err(error) => Path::NonCanonical(error),
    }
}

/// Returns the path before a query, if it is absolute and not too long.
pub(super) fn absolute(raw: &str) -> Result<&str, PathError> {
    let path = memchr::memchr(b'?', raw.as_bytes()).map_or(raw, |query| &raw[..query]);
    if !path.starts_with('/') {
        return Err(PathError::NotAbsolute);
    }
    if path.starts_with("//") {
        return Err(PathError::Authority);
    }
    if path.len() > MAX_PATH_BYTES {
        return Err(PathError::TooLong);
    }
    Ok(path)
}

fn all<'a>(raw: &str, decoded: &DecodedPath) -> Result<Path<'a>, PathError> {
    let text = &decoded.text;
    if decoded.encoded_slash && hides_segments(text) {
        return Err(PathError::EncodedSlash);
    }
    let mut readings = PathReadings { forms: SmallVec::new(), encoded_slash: decoded.encoded_slash };
    readings.add(resolve(text, Structure::default())?, false);
    // A server that decodes a path before it looks for the query cuts it at a `?` or `#`.
    let plain = decoded.plain.as_str();
    let cut = [plain.find("%3F"), plain.find("%23")].into_iter().flatten().min();
    let cut = &plain[..cut.unwrap_or(plain.len())];
    let undecoded = if decoded.needless_encoding { raw } else { text };
    for form in [text, plain, &decoded.twice, cut, undecoded] {
        for structure in structures(form) {
            readings.add(resolve(form, structure)?, structure.last_slash);
        }
    }
    if readings.forms.len() == 1 && !readings.encoded_slash {
        return Ok(Path::Canonical(readings.forms.remove(0).path.into_string().into()));
    }
    Ok(Path::Ambiguous(Box::new(readings)))
}

/// Returns true if a server that decodes slashes gets dot segments or empty segments.
fn hides_segments(text: &str) -> bool {
    let mut parts = text.split('/').filter(|segment| segment.contains("%2F"));
    parts.any(|segment| segment.split("%2F").any(|part| matches!(part, "" | "." | "..")))
}

/// Returns the combinations of a path's unusual parts that servers may keep.
fn structures(text: &str) -> SmallVec<[Structure; 8]> {
    let mut all: SmallVec<[Structure; 8]> = SmallVec::new();
    all.push(Structure::default());
    let inner = text.strip_suffix('/').unwrap_or(text);
    let mut twice = |present: bool, keep: fn(&mut Structure)| {
        for index in 0..if present { all.len() } else { 0 } {
            let mut kept = all[index];
            keep(&mut kept);
            all.push(kept);
        }
    };
    twice(text.contains("//"), |kept| kept.empty_segments = true);
    twice(text.contains(';'), |kept| kept.parameters = true);
    twice(inner.split('/').any(|s| matches!(s, "." | "..")), |kept| kept.dots = true);
    if text.len() > 1 && text.ends_with('/') {
        all.push(Structure { last_slash: true, ..Structure::default() });
    }
    all
}

/// Returns a form of a path. Dot segments are resolved only if every server would resolve them in the same way.
pub(super) fn resolve(path: &str, keep: Structure) -> Result<String, PathError> {
    let inner = path.strip_suffix('/').unwrap_or(path);
    let segments: SmallVec<[&str; 16]> = inner.split('/').skip(1).collect();
    let name = |s: &str| s.split(';').next().map_or(0, str::len);
    let is_dots = |s: &&str| matches!(&s[..name(s)], "." | "..");
    let dotted = segments.iter().any(is_dots);
    let odd = segments.iter().any(|s| s.is_empty() || s.contains(';'));
    // A segment of parameters alone is empty to some servers.
    if (dotted && odd) || segments.iter().any(|s| s.starts_with(';')) {
        return Err(PathError::Dots);
    }
    let mut kept: SmallVec<[&str; 16]> = SmallVec::new();
    for segment in segments {
        match &segment[..name(segment)] {
            "" if keep.empty_segments => kept.push(EMPTY_SEGMENT),
            "." | ".." if keep.dots => kept.push(segment),
            "" | "." => {}
            ".." => drop(kept.pop().ok_or(PathError::Dots)?),
            _ if keep.parameters => kept.push(segment),
            name => kept.push(name),
        }
    }
    if keep.last_slash {
        kept.push(EMPTY_SEGMENT);
    }
    Ok(format!("/{}", kept.join("/")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn forms(raw: &str) -> Vec<String> {
        match parse(raw) {
            Path::Canonical(path) => vec![path.into_owned()],
            Path::Ambiguous(readings) => readings.forms.iter().map(|form| form.path.to_string()).collect(),
            Path::Absent | Path::ScopesOnly | Path::NonCanonical(_) => Vec::new(),
        }
    }

    #[test]
    fn a_path_without_odd_parts_has_one_form() {
        assert_eq!(forms("/v1/x?y"), ["/v1/x"]);
        assert_eq!(forms("/"), ["/"]);
        assert_eq!(forms("/caf%c3%a9"), ["/caf%C3%A9"]);
        assert_eq!(forms("/100%25"), ["/100%25"]);
    }

    #[test]
    fn every_odd_part_is_kept_in_one_form_and_dropped_in_another() {
        assert_eq!(forms("/v1//x"), ["/v1/x", "/v1/\u{0}/x"]);
        assert_eq!(forms("/v1/x/"), ["/v1/x", "/v1/x/\u{0}"]);
        assert_eq!(forms("/v1/x;a=1"), ["/v1/x", "/v1/x;a=1"]);
        assert_eq!(forms("/v1/a/../x"), ["/v1/x", "/v1/a/../x"]);
        assert_eq!(forms("/v1/%40x"), ["/v1/%40x", "/v1/@x"]);
        assert_eq!(forms("/v1/%78"), ["/v1/x", "/v1/%78"]);
        assert_eq!(forms("/v1/x%3Fy/z"), ["/v1/x%3Fy/z", "/v1/x"]);
        assert_eq!(forms("/v1/a%2520b"), ["/v1/a%2520b", "/v1/a%20b"]);
        assert_eq!(forms("/v1//x;a"), ["/v1/x", "/v1/\u{0}/x", "/v1/x;a", "/v1/\u{0}/x;a"]);
    }

    #[test]
    fn a_path_has_at_most_eight_kibibytes() {
        let long = |segment: &str, count: usize| format!("/{}", segment.repeat(count));
        let longest = format!("{}?{}", long("a", 8191), "q".repeat(60_000));
        assert_eq!(forms(&longest), [long("a", 8191)]);
        for path in [long("a", 8192), long("%41;b//c/", 1_000), long("é", 2_000)] {
            assert_eq!(parse(&path), Path::NonCanonical(PathError::TooLong));
            assert_eq!(super::super::canonical(&path), Err(PathError::TooLong));
        }
    }

    #[test]
    fn an_encoded_slash_hides_no_segments() {
        assert_eq!(forms("/things/g%2fp"), ["/things/g%2Fp"]);
        assert!(matches!(parse("/things/g%2Fp"), Path::Ambiguous(readings) if readings.has_encoded_slash()));
        for path in ["/things/%2fetc", "/things/a%2f..%2fb", "/things/a%2f", "/things/a%2f%2fb", "/x%2f../y"]
        {
            assert_eq!(parse(path), Path::NonCanonical(PathError::EncodedSlash), "{path}");
        }
    }
}
