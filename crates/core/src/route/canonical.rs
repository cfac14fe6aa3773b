//! Canonical form of a path (RFC 3986 section 6.2.2, and stricter): percent-encoding of unreserved characters
//! is undone, dot segments are resolved, empty segments and path parameters are dropped, and a slash at the
//! end is removed. [`readings`](super::readings) has the other forms that servers make of a path.

use std::borrow::Cow;

use super::readings::{MAX_PATH_BYTES, Structure, absolute, resolve};

/// Reason why a path has no canonical form: different servers would read it differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// The path does not begin with a slash.
    #[error("the path does not begin with a slash")]
    NotAbsolute,
    /// The path, or its form with encoded characters, is too long.
    #[error("the path has more than 8192 bytes")]
    TooLong,
    /// The path begins with two slashes, which URL parsers read as the start of a host.
    #[error("the path begins with two slashes, which some servers read as a host")]
    Authority,
    /// A percent sign is not followed by two hexadecimal digits.
    #[error("the path has a broken percent-encoding")]
    Encoding,
    /// A second decoding gives a letter, a digit, a slash, a dot or another character with a meaning.
    #[error("the path is percent-encoded twice")]
    EncodedTwice,
    /// The path has an encoded semicolon, bytes that are not UTF-8, a backslash, `#`, or a control character.
    #[error("the path has a character that servers read differently")]
    Character,
    /// The path has an encoded slash.
    #[error("the path has an encoded slash")]
    EncodedSlash,
    /// The path has `..` together with empty segments or parameters, or above the root.
    #[error("the path has dot segments that servers resolve differently")]
    Dots,
}

/// Returns the canonical form of a path. A query after a `?` is cut off. A path that is canonical already is
/// borrowed.
pub fn canonical(raw: &str) -> Result<Cow<'_, str>, PathError> {
    let path = absolute(raw)?;
    if is_canonical(path) {
        return Ok(Cow::Borrowed(path));
    }
    let decoded = decode(path)?;
    if decoded.encoded_slash {
        return Err(PathError::EncodedSlash);
    }
    resolve(&decoded.text, Structure::default()).map(Cow::Owned)
}

/// Returns whether a path is canonical already. This is the usual case, and takes one pass over the bytes.
pub(super) fn is_canonical(path: &str) -> bool {
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

/// A path whose characters are written in one way.
pub(super) struct DecodedPath {
    /// The path with unreserved characters decoded and all others as they were sent.
    pub(super) text: String,
    /// The path with every character decoded that can stand in a segment.
    pub(super) plain: String,
    /// The path as a server sees it that decodes twice, in the form of `plain`.
    pub(super) twice: String,
    /// True if the path has an encoded character that needs no encoding, which some servers do not decode.
    pub(super) needless_encoding: bool,
    /// True if the path has an encoded slash, which the texts keep as `%2F`.
    pub(super) encoded_slash: bool,
}

/// Decodes unreserved characters, and writes every other character in one way.
pub(super) fn decode(path: &str) -> Result<DecodedPath, PathError> {
    let mut text = String::with_capacity(path.len());
    let mut needless_encoding = false;
    // The path as a server sees it that decodes everything. It must be UTF-8, because two servers may read
    // other bytes as different texts. An encoded slash is kept apart from others by a byte that no path has.
    let mut decoded = Vec::with_capacity(path.len());
    let mut bytes = path.bytes();
    while let Some(byte) = bytes.next() {
        let (byte, encoded) = match byte {
            b'%' => (escaped(&mut bytes).ok_or(PathError::Encoding)?, true),
            raw => (raw, false),
        };
        decoded.push(if encoded && byte == b'/' { ENCODED_SLASH } else { byte });
        match byte {
            0..=0x1f | 0x7f | b'\\' => return Err(PathError::Character),
            b';' if encoded => return Err(PathError::Character),
            b'#' if !encoded => return Err(PathError::Character),
            b if b.is_ascii_alphanumeric() || b"-_.~".contains(&b) => {
                needless_encoding |= encoded;
                text.push(char::from(b));
            }
            b if !encoded && b.is_ascii_graphic() => text.push(char::from(b)),
            b => push_escaped(&mut text, b),
        }
    }
    std::str::from_utf8(&decoded).map_err(|_| PathError::Character)?;
    if text.len() > MAX_PATH_BYTES {
        return Err(PathError::TooLong);
    }
    let twice = decode_again(&decoded)?;
    Ok(DecodedPath {
        text,
        plain: encode(&decoded),
        twice: encode(&twice),
        needless_encoding,
        encoded_slash: decoded.contains(&ENCODED_SLASH),
    })
}

const ENCODED_SLASH: u8 = 0;

/// Writes a decoded path again: only characters that have a meaning in a path, or are not ASCII, are encoded.
fn encode(decoded: &[u8]) -> String {
    let mut text = String::with_capacity(decoded.len());
    for byte in decoded {
        match *byte {
            ENCODED_SLASH => text.push_str("%2F"),
            b if b.is_ascii_graphic() && !b"?#%".contains(&b) => text.push(char::from(b)),
            b => push_escaped(&mut text, b),
        }
    }
    text
}

/// Decodes a decoded path once more. No client encodes a character twice that needs no encoding; a path that
/// gets a meaning by it is an attempt to hide one.
fn decode_again(decoded: &[u8]) -> Result<Vec<u8>, PathError> {
    let mut twice = Vec::with_capacity(decoded.len());
    let mut rest = decoded.iter().copied();
    while let Some(byte) = rest.next() {
        let mut ahead = rest.clone();
        match (byte, escaped(&mut ahead)) {
            (b'%', Some(again)) if is_hidden(again) => return Err(PathError::EncodedTwice),
            (b'%', Some(again)) => {
                rest = ahead;
                twice.push(again);
            }
            // `%u002e` is how some servers of Windows write a character.
            (b'%', None) if rest.clone().next().is_some_and(|b| matches!(b, b'u' | b'U')) => {
                return Err(PathError::EncodedTwice);
            }
            (byte, _) => twice.push(byte),
        }
    }
    std::str::from_utf8(&twice).map_err(|_| PathError::EncodedTwice)?;
    Ok(twice)
}

fn is_hidden(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte.is_ascii_control() || b"-_.~/\\;%?#".contains(&byte)
}

fn push_escaped(text: &mut String, byte: u8) {
    text.push('%');
    for half in [byte >> 4, byte & 0xf] {
        text.push(char::from(b"0123456789ABCDEF"[usize::from(half)]));
    }
}

/// Reads the two hexadecimal digits after a percent sign.
fn escaped(bytes: &mut impl Iterator<Item = u8>) -> Option<u8> {
    let mut digit = || bytes.next().and_then(|b| char::from(b).to_digit(16));
    let (high, low) = (digit()?, digit()?);
    u8::try_from(high * 16 + low).ok()
}

/// Returns the text that a segment of a canonical path stands for.
#[must_use]
pub fn decode_segment(segment: &str) -> Cow<'_, str> {
    if !segment.contains('%') {
        return Cow::Borrowed(segment);
    }
    let mut decoded = Vec::with_capacity(segment.len());
    let mut bytes = segment.bytes();
    while let Some(byte) = bytes.next() {
        decoded.push(if byte == b'%' { escaped(&mut bytes).unwrap_or(b'%') } else { byte });
    }
    String::from_utf8(decoded).map_or(Cow::Borrowed(segment), Cow::Owned)
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
            "/admin//x",
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
        assert_eq!(canonical("/100%25").unwrap(), "/100%25");
        assert_eq!(canonical("/a%2520b").unwrap(), "/a%2520b");
    }

    #[test]
    fn ambiguous_paths_are_refused() {
        use PathError::{Authority, Character, Dots, EncodedSlash, EncodedTwice, Encoding, NotAbsolute};
        for (path, error) in [
            ("", NotAbsolute),
            ("*", NotAbsolute),
            ("admin", NotAbsolute),
            ("//public/v1/admin", Authority),
            ("///admin", Authority),
            ("/a%2fb", EncodedSlash),
            ("/x/%252e%252e/admin", EncodedTwice),
            ("/%2561dmin/y", EncodedTwice),
            ("/%25%36%31dmin/y", EncodedTwice),
            ("/%252561dmin/y", EncodedTwice),
            ("/a%252fb", EncodedTwice),
            ("/a%255cb", EncodedTwice),
            ("/a%25u002eb", EncodedTwice),
            ("/a/%25c0%25ae/b", EncodedTwice),
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
            ("/a%u002e", Encoding),
            ("/..", Dots),
            ("/a/../../b", Dots),
            ("/a//../b", Dots),
            ("/a/..//b", Dots),
            ("/a/..;/b", Dots),
            ("/a/..%3B/b", Character),
            ("/a;/../b", Dots),
            ("/;x/admin", Dots),
        ] {
            assert_eq!(canonical(path), Err(error), "{path}");
        }
    }

    #[test]
    fn a_segment_stands_for_a_text() {
        for (segment, text) in
            [("a", "a"), ("a%20b", "a b"), ("g%2Fp", "g/p"), ("caf%C3%A9", "café"), ("100%25", "100%")]
        {
            assert_eq!(decode_segment(segment), text);
        }
    }
}
