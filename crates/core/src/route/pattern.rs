//! Patterns of paths.

use super::parameter::{Affixes, ParameterPlace};
use super::{canonical, segments};

/// Pattern of a path with parameters for segments or parts of them: `/v1/payments/{id}`, `/v1/orders/{id}.json`, `/v1/**`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    text: Box<str>,
    pub(super) parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Literal(Box<str>),
    /// A parameter between literal texts.
    Affixed(Affixes, Box<str>),
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
    /// Braces hold no name, or a segment has several parameters.
    #[error(
        "{0:?} has the segment {1:?}: braces hold a name of letters, digits and underscores, and a segment has at most one parameter, as in \"/v1/orders/{{id}}\" or \"/v1/orders/{{id}}.json\""
    )]
    Braces(String, String),
    /// The text around a parameter has encoded characters.
    #[error(
        "{0:?} has the segment {1:?}: the text before and after a parameter has no percent-encoded characters; let the parameter be the whole segment"
    )]
    EncodedAffix(String, String),
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
            let part = part(text, segment)?;
            if part.name().is_some_and(|name| parts.iter().any(|other| other.name() == Some(name))) {
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
                (Part::Affixed(own, _), Some(Part::Literal(other))) if own.fit(other) => {}
                (Part::Affixed(own, _), Some(Part::Affixed(other, _))) if own.cover(other) => {}
                (Part::Literal(_) | Part::Affixed(..), Some(_)) => return false,
            }
        }
        self.parts.len() == other.parts.len()
    }

    /// Returns the place of the parameter of this name.
    #[must_use]
    pub fn place(&self, name: &str) -> Option<ParameterPlace> {
        let (index, part) = self.parts.iter().enumerate().find(|(_, part)| part.name() == Some(name))?;
        Some(match part {
            Part::Affixed(affixes, _) => affixes.place(index),
            Part::Any(_) | Part::Literal(_) | Part::Rest => index.into(),
        })
    }
}

impl Part {
    /// Returns the name of the parameter, if the segment has one.
    fn name(&self) -> Option<&str> {
        match self {
            Self::Affixed(_, name) | Self::Any(name) => Some(name),
            Self::Literal(_) | Self::Rest => None,
        }
    }
}

/// Reads a segment of the pattern `text`.
fn part(text: &str, segment: &str) -> Result<Part, PatternError> {
    if segment == "**" {
        return Ok(Part::Rest);
    }
    let error = |kind: fn(String, String) -> PatternError| Err(kind(text.to_owned(), segment.to_owned()));
    let Some((prefix, rest)) = segment.split_once('{') else {
        return match segment {
            _ if segment.contains('}') => error(PatternError::Braces),
            _ if segment.contains('*') => error(PatternError::Asterisk),
            _ => Ok(Part::Literal(segment.into())),
        };
    };
    let Some((name, suffix)) = rest.split_once('}') else { return error(PatternError::Braces) };
    let around = [prefix, suffix];
    if !is_name(name) || around.iter().any(|affix| affix.contains(['{', '}'])) {
        return error(PatternError::Braces);
    }
    match around {
        ["", ""] => Ok(Part::Any(name.into())),
        _ if around.iter().any(|affix| affix.contains('*')) => error(PatternError::Asterisk),
        _ if around.iter().any(|affix| affix.contains('%')) => error(PatternError::EncodedAffix),
        [prefix, suffix] => Ok(Part::Affixed(Affixes::new(prefix, suffix), name.into())),
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
            "/v1/{a}{b}",
            "/v1/{a}-{b}",
            "/v1/x{}",
            "/v1/a}b",
            "/v1/{{a}}",
            "/v1/{a}*",
            "/v1/**{a}",
            "/v1/%C3%A9{a}",
            "/v1/é{a}",
            "/v1/.{a}/{a}.json",
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
            ("/v1/{a}.{b}", "at most one parameter"),
            ("/v1/{a}%20", "no percent-encoded characters"),
            ("/v1/{a}.*", "the segment \"{a}.*\""),
            ("/v1/{a-b}", "the segment \"{a-b}\""),
            ("v1", "does not begin with a slash"),
            ("/v1//x", "write \"/v1/x\""),
            ("/v1/{a}/", "slashes without a segment"),
        ] {
            let error = Pattern::parse(text).unwrap_err().to_string();
            assert!(error.contains(text) && error.contains(expected), "{error}");
        }
    }

    #[test]
    fn a_parameter_is_the_text_between_the_literal_texts_of_its_segment() {
        for (pattern, path, expected) in [
            ("/v1/{a}/x/{b}", "/v1/1/x/2", Some("2")),
            ("/accounts/{b}.json", "/accounts/ac_1.json", Some("ac_1")),
            ("/accounts/{b}.json", "/accounts/a.json.json", Some("a.json")),
            ("/v1/orders/{b}:cancel", "/v1/orders/%C3%A9:cancel", Some("%C3%A9")),
            ("/v1/files/v{b}", "/v1/files/v2", Some("2")),
            ("/v1/({b})/{a}", "/v1/(7)/8", Some("7")),
            ("/v1/{a}", "/v1/7", None),
        ] {
            let place = Pattern::parse(pattern).unwrap().place("b");
            assert_eq!(place.and_then(|place| place.value(path)), expected, "{pattern} {path}");
        }
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
            ("/v1/{a}", "/v1/{b}.json"),
            ("/v1/{a}.json", "/v1/x.json"),
            ("/v1/{a}.json", "/v1/v{b}.json"),
            ("/v1/{a}n", "/v1/{b}.json"),
        ] {
            assert!(covers(wide, narrow), "{wide} {narrow}");
        }
        for (wide, narrow) in [
            ("/v1", "/v1/x"),
            ("/v1/x", "/v1/{a}"),
            ("/v1/{a}", "/v1/**"),
            ("/v1/x/**", "/v1"),
            ("/v1/{a}", "/v1"),
            ("/v1/{a}.json", "/v1/{b}"),
            ("/v1/{a}.json", "/v1/.json"),
            ("/v1/{a}.json", "/v1/x.xml"),
            ("/v1/{a}.json", "/v1/v{b}"),
            ("/v1/x.json", "/v1/{a}.json"),
            ("/v1/{a}.json", "/v1/**"),
        ] {
            assert!(!covers(wide, narrow), "{wide} {narrow}");
        }
    }
}
