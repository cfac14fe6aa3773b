//! Target of the canonical path. A path that has one form must be the same text to servers that decode and resolve it in
//! different orders.

use crate::check_input::Path;
use crate::route::{canonical, parse};

/// Reads a path, and compares the result with what servers of several kinds make of the path.
///
/// # Panics
///
/// Panics if a canonical path is not canonical, if both readers of paths differ, or if a server reads a path with one
/// form as another path.
pub fn path(data: &[u8]) {
    let Ok(raw) = std::str::from_utf8(data) else { return };
    let parsed = parse(raw);
    if let Ok(path) = canonical(raw) {
        assert_form(&path);
        assert_eq!(canonical(&path).as_deref(), Ok(&*path), "{raw:?}");
        assert!(
            matches!(parsed, Path::NonCanonical(_)) || parsed.canonical() == Some(&path),
            "{raw:?}: {parsed:?}"
        );
    }
    match &parsed {
        Path::Canonical(path) => {
            assert_form(path);
            assert_eq!(parse(path), parsed, "{raw:?}");
            let meaning = decoded(path);
            for read in SERVERS {
                assert_eq!(read(raw), meaning, "{raw:?} is {path:?}");
            }
        }
        Path::Ambiguous(readings) if !readings.has_encoded_slash() => {
            assert_form(readings.canonical());
            assert_eq!(canonical(raw).as_deref(), Ok(readings.canonical()), "{raw:?}");
        }
        Path::Ambiguous(_) | Path::NonCanonical(_) | Path::Absent | Path::ScopesOnly => {}
    }
}

fn assert_form(path: &str) {
    assert!(path.starts_with('/') && (path == "/" || !path.ends_with('/')), "{path:?}");
    let mut segments = path.split('/').skip(1);
    assert!(path == "/" || segments.all(|segment| !matches!(segment, "" | "." | "..")), "{path:?}");
    assert!(path.bytes().all(|b| b.is_ascii_graphic() && !b"?#\\;".contains(&b)), "{path:?}");
    assert!(!path.to_ascii_lowercase().contains("%2f"), "{path:?}");
}

/// Readings of a path by servers: one that only decodes, one that decodes and then resolves, and one that resolves and
/// then decodes.
const SERVERS: [fn(&str) -> Vec<u8>; 3] = [
    |raw| decoded(without_query(raw)),
    |raw| resolved(&decoded(without_query(raw))),
    |raw| decoded(&String::from_utf8_lossy(&resolved(without_query(raw).as_bytes()))),
];

fn without_query(raw: &str) -> &str {
    raw.split('?').next().unwrap_or_default()
}

/// Returns a text with every percent-encoding decoded once. A broken one stays as it is.
fn decoded(text: &str) -> Vec<u8> {
    let digit = |byte: Option<&u8>| byte.and_then(|byte| char::from(*byte).to_digit(16));
    let (bytes, mut decoded, mut at) = (text.as_bytes(), Vec::with_capacity(text.len()), 0);
    while let Some(&byte) = bytes.get(at) {
        let code = digit(bytes.get(at + 1)).zip(digit(bytes.get(at + 2))).filter(|_| byte == b'%');
        let code = code.and_then(|(high, low)| u8::try_from(high * 16 + low).ok());
        decoded.push(code.unwrap_or(byte));
        at += if code.is_some() { 3 } else { 1 };
    }
    decoded
}

/// Returns a path without empty segments, dot segments (RFC 3986 section 5.2.4) and parameters.
fn resolved(path: &[u8]) -> Vec<u8> {
    let mut kept: Vec<&[u8]> = Vec::new();
    for segment in path.split(|byte| *byte == b'/') {
        match segment.split(|byte| *byte == b';').next().unwrap_or_default() {
            b"" | b"." => {}
            b".." => drop(kept.pop()),
            name => kept.push(name),
        }
    }
    [b"/", kept.join(&b'/').as_slice()].concat()
}
