//! Escaping of values for the format that they are written to. Most values need none, so a value is rewritten only if
//! it contains a character to escape.

use std::fmt::Write as _;

use super::filter::FilterOutput;

/// Format that a value is escaped for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Escape {
    /// A header, which is checked as a whole and not escaped.
    None,
    /// Plain text, from which control characters (and so the sequences of terminals) are removed.
    Plain,
    /// A JSON string.
    Json,
    /// HTML or XML.
    Markup,
}

impl Escape {
    /// Returns the format of a body by its media type: by the suffix after its last plus sign, or else by the whole name,
    /// since types of JSON have many names (`application/x-amz-json-1.1`, `application/json+protobuf`, `text/javascript`).
    pub(crate) fn of(content_type: &str) -> Self {
        let essence = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        let suffix = essence.rsplit('+').next().unwrap_or_default();
        Self::named_in(suffix).or_else(|| Self::named_in(&essence)).unwrap_or(Self::Plain)
    }

    /// Returns the format that a part of a media type names.
    fn named_in(name: &str) -> Option<Self> {
        let has_one_of = |words: &[&str]| words.iter().any(|word| name.contains(*word));
        if has_one_of(&["json", "javascript", "ecmascript"]) {
            return Some(Self::Json);
        }
        has_one_of(&["html", "xml"]).then_some(Self::Markup)
    }

    /// Escapes the text from `begin` on.
    pub(super) fn apply(self, out: &mut String, begin: usize, written: FilterOutput) {
        let json_already = written == FilterOutput::Json && self == Self::Json;
        if self == Self::None || json_already || !out[begin..].chars().any(|c| self.must_escape(c)) {
            return;
        }
        let text = out.split_off(begin);
        for character in text.chars() {
            if self.must_escape(character) {
                self.push(character, out);
            } else {
                out.push(character);
            }
        }
    }

    fn must_escape(self, character: char) -> bool {
        match self {
            Self::None => false,
            Self::Plain => character.is_control(),
            Self::Json => matches!(character, '"' | '\\') || character.is_control(),
            Self::Markup => matches!(character, '<' | '>' | '&' | '"' | '\'') || character.is_control(),
        }
    }

    /// Appends a character that must be escaped.
    fn push(self, character: char, out: &mut String) {
        match (self, character) {
            (Self::Json, '"' | '\\') => out.extend(['\\', character]),
            (Self::Json, '\n') => out.push_str("\\n"),
            (Self::Json, '\r') => out.push_str("\\r"),
            (Self::Json, '\t') => out.push_str("\\t"),
            (Self::Json, control) => {
                let _ = write!(out, "\\u{:04x}", u32::from(control));
            }
            (Self::Markup, '<') => out.push_str("&lt;"),
            (Self::Markup, '>') => out.push_str("&gt;"),
            (Self::Markup, '&') => out.push_str("&amp;"),
            (Self::Markup, '"') => out.push_str("&quot;"),
            (Self::Markup, '\'') => out.push_str("&#39;"),
            (Self::None | Self::Plain | Self::Markup, _) => {}
        }
    }
}

/// Returns true if a text has a control character, which must not occur in a header or on a terminal.
pub(crate) fn has_controls(text: &str) -> bool {
    // Nearly all texts are printable ASCII; a scan of all bytes without early exit is vectorized.
    let plain = text.bytes().fold(true, |plain, byte| plain & matches!(byte, b' '..=b'~'));
    !plain && text.chars().any(char::is_control)
}

#[cfg(test)]
mod tests {
    use super::Escape;

    #[test]
    fn every_media_type_of_json_and_markup_is_escaped_as_such() {
        for text in [
            "application/json",
            "Application/JSON; charset=utf-8",
            "text/json",
            "application/problem+json",
            "application/vnd.acme.v1+json;version=1",
            "application/x-amz-json-1.1",
            "application/x-json",
            "application/json-seq",
            "application/x-ndjson",
            "application/json+protobuf",
            "application/vnd.acme.json",
            "text/javascript",
            "application/javascript",
        ] {
            assert_eq!(Escape::of(text), Escape::Json, "{text}");
        }
        for text in [
            "text/html; charset=utf-8",
            "text/xml",
            "application/xml",
            "application/problem+xml",
            "image/svg+xml",
            "application/xhtml+xml",
            "application/vnd.acme.json+xml",
            "application/x-xml",
        ] {
            assert_eq!(Escape::of(text), Escape::Markup, "{text}");
        }
        for text in
            ["", "text/plain", "text/plain; format=json", "text/csv", "application/x-www-form-urlencoded"]
        {
            assert_eq!(Escape::of(text), Escape::Plain, "{text}");
        }
    }
}
