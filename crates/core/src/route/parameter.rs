//! Parameters of patterns: a whole segment, or the part of one between literal texts.

use super::segment;

/// Place of a parameter in a path: a segment, without the literal texts around the parameter.
///
/// ```
/// use latchkey_core::route::Pattern;
///
/// let pattern = Pattern::parse("/accounts/{id}.json")?;
/// let place = pattern.place("id").expect("a parameter");
/// assert_eq!(place.value("/accounts/ac_1.json"), Some("ac_1"));
/// # Ok::<(), latchkey_core::route::PatternError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParameterPlace {
    segment: usize,
    prefix: usize,
    suffix: usize,
}

impl ParameterPlace {
    /// Returns the text of the parameter in a canonical path that its pattern matches. It may have encoded characters.
    #[must_use]
    pub fn value(self, path: &str) -> Option<&str> {
        let segment = segment(path, self.segment)?;
        segment.get(self.prefix..segment.len().checked_sub(self.suffix)?)
    }
}

impl From<usize> for ParameterPlace {
    /// Returns the place of the whole segment of this index.
    fn from(segment: usize) -> Self {
        Self { segment, prefix: 0, suffix: 0 }
    }
}

/// Literal texts around a parameter in its segment, of which at least one is not empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Affixes {
    prefix: Box<str>,
    suffix: Box<str>,
}

impl Affixes {
    /// Returns the texts around a parameter. They are of ASCII, so that each letter has the same case in every context.
    pub(super) fn new(prefix: &str, suffix: &str) -> Self {
        Self { prefix: prefix.into(), suffix: suffix.into() }
    }

    /// Returns the texts as `write` writes them.
    pub(super) fn map(&self, write: impl Fn(&str) -> Box<str>) -> Self {
        Self { prefix: write(&self.prefix), suffix: write(&self.suffix) }
    }

    /// Returns true if a segment has the texts, and a parameter between them that is not empty.
    pub(super) fn fit(&self, segment: &str) -> bool {
        let value = segment.strip_prefix(&*self.prefix).and_then(|rest| rest.strip_suffix(&*self.suffix));
        value.is_some_and(|value| !value.is_empty() && !self.splits_character(value))
    }

    /// Returns true if the text after a value begins inside of an encoded character: `%C3` has no 3.
    fn splits_character(&self, value: &str) -> bool {
        let begins_with_digit = self.suffix.starts_with(|first: char| first.is_ascii_hexdigit());
        begins_with_digit && value.rfind('%').is_some_and(|at| value.len() - at < 3)
    }

    /// Returns true if every segment that has the other texts has these too.
    pub(super) fn cover(&self, other: &Self) -> bool {
        other.prefix.starts_with(&*self.prefix) && other.suffix.ends_with(&*self.suffix)
    }

    /// Returns true if the text after the parameter has a dot, so that servers may take it for a suffix of the path.
    pub(super) fn has_format_suffix(&self) -> bool {
        self.suffix.contains('.')
    }

    /// Returns the place of the parameter in the segment of this index.
    pub(super) fn place(&self, segment: usize) -> ParameterPlace {
        ParameterPlace { segment, prefix: self.prefix.len(), suffix: self.suffix.len() }
    }
}
