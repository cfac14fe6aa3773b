//! Patterns of paths.

use super::{canonical, segments};

/// Pattern of a path with placeholders for segments: `/v1/payments/{id}`, `/v1/**`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    text: Box<str>,
    pub(super) parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Literal(Box<str>),
    Any(Box<str>),
    Rest,
}

/// Error of an invalid pattern.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// The pattern is not in canonical form, so that no call could match it.
    #[error("{0:?} is not a path in canonical form, so that no call could match it: {1}")]
    NotCanonical(String, String),
    /// A `**` is not the last segment.
    #[error("{0:?} has a \"**\" that is not its last segment")]
    RestInside(String),
    /// Braces do not make up a whole segment, or hold no name.
    #[error(
        "{0:?} has the segment {1:?}: braces hold a name of letters, digits and underscores and make up a whole segment, as in \"/v1/orders/{{id}}\""
    )]
    Braces(String, String),
    /// An asterisk is not the segment `**`.
    #[error(
        "{0:?} has the segment {1:?}: write \"{{name}}\" for any one segment, or \"**\" as the last segment for all that follow"
    )]
    Asterisk(String, String),
    /// Two segments have the same name.
    #[error("{0:?} names two segments {1:?}")]
    DuplicateName(String, String),
}

impl Pattern {
    /// Parses a pattern.
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        let error = |kind: fn(String) -> PatternError| kind(text.to_owned());
        let plain: String = text.chars().map(|c| if matches!(c, '{' | '}') { '_' } else { c }).collect();
        match canonical(&plain) {
            Ok(form) if form == plain => {}
            Ok(form) if plain == text => {
                return Err(PatternError::NotCanonical(text.to_owned(), format!("write {form:?}")));
            }
            Ok(_) => {
                let rule =
                    "write it without a query, percent-encoded letters, dots, and slashes without a segment";
                return Err(PatternError::NotCanonical(text.to_owned(), rule.to_owned()));
            }
            Err(cause) => return Err(PatternError::NotCanonical(text.to_owned(), cause.to_string())),
        }
        let mut parts: Vec<Part> = Vec::new();
        for segment in segments(text) {
            if parts.last() == Some(&Part::Rest) {
                return Err(error(PatternError::RestInside));
            }
            let inner = segment.strip_prefix('{').and_then(|s| s.strip_suffix('}'));
            let part = match inner {
                _ if segment == "**" => Part::Rest,
                Some(name) if is_name(name) => Part::Any(name.into()),
                None if !segment.contains(['{', '}', '*']) => Part::Literal(segment.into()),
                None if !segment.contains(['{', '}']) => {
                    return Err(PatternError::Asterisk(text.to_owned(), segment.to_owned()));
                }
                _ => return Err(PatternError::Braces(text.to_owned(), segment.to_owned())),
            };
            if matches!(part, Part::Any(_)) && parts.contains(&part) {
                return Err(PatternError::DuplicateName(text.to_owned(), segment.to_owned()));
            }
            parts.push(part);
        }
        Ok(Self { text: text.into(), parts })
    }

    /// Returns the pattern as it was written.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Returns true if this pattern matches every path that `other` matches.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        for (index, part) in self.parts.iter().enumerate() {
            match (part, other.parts.get(index)) {
                (Part::Rest, _) => return true,
                (_, None | Some(Part::Rest)) => return false,
                (Part::Any(_), Some(_)) => {}
                (Part::Literal(own), Some(Part::Literal(other))) if own == other => {}
                (Part::Literal(_), Some(_)) => return false,
            }
        }
        self.parts.len() == other.parts.len()
    }

    /// Returns the index of the segment of this name.
    #[must_use]
    pub fn segment_index(&self, name: &str) -> Option<usize> {
        self.parts.iter().position(|p| matches!(p, Part::Any(n) if **n == *name))
    }
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn invalid_patterns_are_refused() {
        for text in [
            "",
            "v1",
            "/v1/",
            "/v1//x",
            "/v1/../x",
            "/v1/**/x",
            "/v1/{}",
            "/v1/{a}b",
            "/v1/*",
            "/v1/{a}/{a}",
            "/v1/x?y",
            "/v1/%61",
        ] {
            assert!(Pattern::parse(text).is_err(), "{text:?}");
        }
        for (text, expected) in [
            ("/v1/orders/*", "write \"{name}\" for any one segment, or \"**\""),
            ("/v1/orders*", "the segment \"orders*\""),
            ("/v1/{a}b", "braces hold a name"),
            ("/v1/{a-b}", "the segment \"{a-b}\""),
            ("v1", "does not begin with a slash"),
            ("/v1//x", "write \"/v1/x\""),
            ("/v1/{a}/", "slashes without a segment"),
        ] {
            let error = Pattern::parse(text).unwrap_err().to_string();
            assert!(error.contains(text) && error.contains(expected), "{error}");
        }
        assert_eq!(Pattern::parse("/v1/{a}/x/{b}").unwrap().segment_index("b"), Some(3));
    }

    #[test]
    fn a_pattern_covers_the_paths_that_it_matches_and_no_more() {
        let covers = |wide, narrow| Pattern::parse(wide).unwrap().covers(&Pattern::parse(narrow).unwrap());
        for (wide, narrow) in [
            ("/**", "/v1"),
            ("/v1/**", "/v1"),
            ("/v1/{a}", "/v1/x"),
            ("/v1/{a}/y", "/v1/{b}/y"),
            ("/v1/**", "/v1/x/**"),
        ] {
            assert!(covers(wide, narrow), "{wide} {narrow}");
        }
        for (wide, narrow) in [
            ("/v1", "/v1/x"),
            ("/v1/x", "/v1/{a}"),
            ("/v1/{a}", "/v1/**"),
            ("/v1/x/**", "/v1"),
            ("/v1/{a}", "/v1"),
        ] {
            assert!(!covers(wide, narrow), "{wide} {narrow}");
        }
    }
}
