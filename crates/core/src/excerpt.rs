//! Excerpts of a request's texts in error messages. A caller that sends a long text gets back its beginning and its
//! length, so that an error always fits into a response.

use std::fmt;

/// Most characters of a text that an error repeats.
const MOST_CHARACTERS: usize = 64;

/// Text of a request, in quotes; beyond 64 characters its beginning and its length.
#[derive(Clone, Copy, Debug)]
pub struct Quoted<'a>(pub &'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.char_indices().nth(MOST_CHARACTERS) {
            None => write!(f, "{:?}", self.0),
            Some((end, _)) => write!(f, "{:?}… ({} characters)", &self.0[..end], self.0.chars().count()),
        }
    }
}

/// Returns at most `most` bytes of a text, and its length if it is longer.
#[must_use]
pub fn shortened(text: &str, most: usize) -> String {
    if text.len() <= most {
        return text.to_owned();
    }
    format!("{}… ({} bytes)", &text[..text.floor_char_boundary(most)], text.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_is_cut_and_its_length_said() {
        assert_eq!(Quoted("a\"b").to_string(), r#""a\"b""#);
        let exact = "é".repeat(64);
        assert_eq!(Quoted(&exact).to_string(), format!("\"{exact}\""));
        assert_eq!(Quoted(&"é".repeat(100_000)).to_string(), format!("\"{exact}\"… (100000 characters)"));
    }

    #[test]
    fn a_text_is_cut_between_characters() {
        assert_eq!(shortened("abc", 3), "abc");
        assert_eq!(shortened("aéé", 2), "a… (5 bytes)");
    }
}
