//! Canonical form of a path (RFC 3986 section 6.2.2, and stricter): percent-encoding of unreserved characters
//! is undone, dot segments are resolved, empty segments and path parameters are dropped, and a slash at the
//! end is removed.

use std::borrow::Cow;

/// Reason why a path has no canonical form: different servers would read it differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// The path does not begin with a slash.
    #[error("the path does not begin with a slash")]
    NotAbsolute,
    /// A percent sign is not followed by two hexadecimal digits.
    #[error("the path has a broken percent-encoding")]
    Encoding,
    /// The path has an encoded slash or semicolon, bytes that are not UTF-8, a backslash, `#`, or a control
    /// character.
    #[error("the path has a character that servers read differently")]
    Character,
    /// The path has `..` together with empty segments or parameters, or above the root.
    #[error("the path has dot segments that servers resolve differently")]
    Dots,
}

/// Returns the canonical form of a path. A query after a `?` is cut off. A path that is canonical already is
/// borrowed.
pub fn canonical(raw: &str) -> Result<Cow<'_, str>, PathError> {
    let path = raw.split_once('?').map_or(raw, |(path, _)| path);
    if !path.starts_with('/') {
        return Err(PathError::NotAbsolute);
    }
    if is_canonical(path) {
        return Ok(Cow::Borrowed(path));
    }
    resolve(&decode(path)?).map(Cow::Owned)
}

/// Returns whether a path is canonical already. This is the usual case, and takes one pass over the bytes.
fn is_canonical(path: &str) -> bool {
    let bytes = path.as_bytes();
    let mut after_slash = false;
    let all_plain = bytes.iter().all(|byte| {
        let starts_odd_segment = after_slash && matches!(byte, b'/' | b'.');
        after_slash = *byte == b'/';
        PLAIN[usize::from(*byte)] && !starts_odd_segment
    });
    all_plain && (bytes.len() == 1 || !after_slash)
}

/// Bytes that stand for themselves in a path.
static PLAIN: [bool; 256] = {
    let mut plain = [false; 256];
    let mut byte = 0u8;
    while byte < 128 {
        plain[byte as usize] = byte.is_ascii_alphanumeric();
        byte += 1;
    }
    let others = b"/-_.~!$&'()*+,=:@";
    let mut at = 0;
    while at < others.len() {
        plain[others[at] as usize] = true;
        at += 1;
    }
    plain
};

/// Decodes unreserved characters, and writes every other character in one way.
fn decode(path: &str) -> Result<String, PathError> {
    let mut out = String::with_capacity(path.len());
    // The path as a server sees it that decodes everything. It must be UTF-8, because two servers may read
    // other bytes as different texts.
    let mut decoded = Vec::with_capacity(path.len());
    let mut bytes = path.bytes();
    while let Some(byte) = bytes.next() {
        let (byte, encoded) = match byte {
            b'%' => (escaped(&mut bytes)?, true),
            raw => (raw, false),
        };
        decoded.push(byte);
        match byte {
            0..=0x1f | 0x7f | b'\\' => return Err(PathError::Character),
            b'/' | b';' if encoded => return Err(PathError::Character),
            b'#' if !encoded => return Err(PathError::Character),
            b if b.is_ascii_alphanumeric() || b"-_.~".contains(&b) => out.push(char::from(b)),
            b if !encoded && b.is_ascii_graphic() => out.push(char::from(b)),
            b => {
                out.push('%');
                for half in [b >> 4, b & 0xf] {
                    out.push(char::from(b"0123456789ABCDEF"[usize::from(half)]));
                }
            }
        }
    }
    std::str::from_utf8(&decoded).map_err(|_| PathError::Character)?;
    Ok(out)
}

fn escaped(bytes: &mut std::str::Bytes<'_>) -> Result<u8, PathError> {
    let mut digit = || bytes.next().and_then(|b| char::from(b).to_digit(16)).ok_or(PathError::Encoding);
    let (high, low) = (digit()?, digit()?);
    u8::try_from(high * 16 + low).map_err(|_| PathError::Encoding)
}

/// Resolves dot segments, if every server would resolve them in the same way.
fn resolve(path: &str) -> Result<String, PathError> {
    let inner = path.strip_suffix('/').unwrap_or(path);
    let segments: Vec<&str> = inner.split('/').skip(1).collect();
    let name = |s: &str| s.split(';').next().map_or(0, str::len);
    let dotted = segments.iter().any(|s| matches!(&s[..name(s)], "." | ".."));
    let odd = segments.iter().any(|s| s.is_empty() || s.contains(';'));
    if dotted && odd {
        return Err(PathError::Dots);
    }
    let mut kept: Vec<&str> = Vec::with_capacity(segments.len());
    for segment in segments {
        match &segment[..name(segment)] {
            "" | "." => {}
            ".." => drop(kept.pop().ok_or(PathError::Dots)?),
            name => kept.push(name),
        }
    }
    Ok(format!("/{}", kept.join("/")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_path_is_borrowed() {
        for path in ["/", "/v1/payments", "/v1/a.b/c_d-e~f:g@h"] {
            assert!(matches!(canonical(path), Ok(Cow::Borrowed(p)) if p == path), "{path}");
        }
        assert_eq!(canonical("/v1/x?y=/../z").unwrap(), "/v1/x");
    }

    #[test]
    fn different_spellings_have_one_canonical_form() {
        for path in [
            "/admin/x",
            "//admin//x",
            "/admin/x/",
            "/%61dmin/x",
            "/a/../admin/x",
            "/./admin/./x",
            "/admin;v=1/x",
            "/admin/%78",
        ] {
            assert_eq!(canonical(path).as_deref(), Ok("/admin/x"), "{path}");
        }
        assert_eq!(canonical("/caf%c3%a9").unwrap(), canonical("/café").unwrap());
        assert_eq!(canonical("/%252e%252e/x").unwrap(), "/%252e%252e/x");
    }

    #[test]
    fn ambiguous_paths_are_refused() {
        use PathError::{Character, Dots, Encoding, NotAbsolute};
        for (path, error) in [
            ("", NotAbsolute),
            ("*", NotAbsolute),
            ("admin", NotAbsolute),
            ("/a%2fb", Character),
            ("/a/%c0%ae%c0%ae/b", Character),
            ("/a%ff", Character),
            ("/a%5Cb", Character),
            ("/a\\b", Character),
            ("/a%00", Character),
            ("/a#b", Character),
            ("/a%0d%0a", Character),
            ("/a%", Encoding),
            ("/a%4", Encoding),
            ("/a%zz", Encoding),
            ("/..", Dots),
            ("/a/../../b", Dots),
            ("/a//../b", Dots),
            ("/a/..;/b", Dots),
            ("/a/..%3B/b", Character),
            ("/a;/../b", Dots),
        ] {
            assert_eq!(canonical(path), Err(error), "{path}");
        }
    }
}
