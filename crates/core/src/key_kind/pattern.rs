//! Formats of keys that another system made, as regular expressions. A pattern is compiled to a table when its profile
//! is compiled, so that a comparison reads each character once, never more than the longest value has, and allocates
//! nothing.

mod walk;

use std::fmt;
use std::ops::RangeInclusive;
use std::sync::Arc;

use regex_automata::dfa::{Automaton as _, StartKind, dense};
use regex_automata::nfa::thompson;
use regex_automata::util::primitives::StateID;
use regex_automata::util::start;
use regex_automata::util::syntax;
use regex_automata::{Anchored, MatchKind};

/// Largest number of characters of a value, for every pattern.
pub const LONGEST_VALUE: usize = 512;
/// Smallest number of characters that a pattern may declare.
pub const SHORTEST_VALUE: usize = 8;
/// Smallest number of characters of a value where the pattern declares none.
pub const DEFAULT_SHORTEST: usize = 16;
/// Smallest entropy of a pattern in bits, if all of its values were equally probable.
pub const LEAST_BITS: f64 = 64.0;

/// Longest text of a pattern in bytes.
const LONGEST_PATTERN: usize = 512;
/// Largest size of the compiled table in bytes.
const LARGEST_TABLE: usize = 256 * 1024;
/// Largest size in bytes of what is needed while the table is built.
const LARGEST_CONSTRUCTION: usize = 2 * 1024 * 1024;

/// Compiled format of the keys of another system.
#[derive(Clone)]
pub struct KeyPattern(Arc<CompiledPattern>);

struct CompiledPattern {
    text: Box<str>,
    shortest: usize,
    longest: usize,
    table: dense::DFA<Vec<u32>>,
    start: StateID,
    example: Box<str>,
}

/// Reason why a pattern is refused.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum PatternError {
    /// The text is not a regular expression, or uses what is not supported.
    #[error("is not a regular expression: {0}")]
    Syntax(String),
    /// The text or its table is too large.
    #[error("is too large: shorten it, or make its repetitions smaller")]
    TooLarge,
    /// No value has this format.
    #[error(
        "matches no value of {0} to {1} printable characters without spaces, commas, semicolons and quotes"
    )]
    Empty(usize, usize),
    /// Too few values have this format: they can be guessed.
    #[error(
        "matches so few values that keys could be guessed: {0:.0} bits, and at least {LEAST_BITS:.0} are needed"
    )]
    Guessable(f64),
}

impl KeyPattern {
    /// Compiles a pattern that a whole value must match. The value has a number of characters within `lengths`.
    pub fn new(text: &str, lengths: RangeInclusive<usize>) -> Result<Self, PatternError> {
        let pattern = Self::compile(text, lengths)?;
        let (bits, example) = walk::survey(&pattern);
        let example = example.ok_or_else(|| PatternError::Empty(pattern.0.shortest, pattern.0.longest))?;
        if bits < LEAST_BITS {
            return Err(PatternError::Guessable(bits));
        }
        let Some(compiled) = Arc::into_inner(pattern.0) else { return Err(PatternError::TooLarge) };
        Ok(Self(Arc::new(CompiledPattern { example: example.into(), ..compiled })))
    }

    /// Compiles a pattern without a look at the values that it matches.
    fn compile(text: &str, lengths: RangeInclusive<usize>) -> Result<Self, PatternError> {
        if text.len() > LONGEST_PATTERN {
            return Err(PatternError::TooLarge);
        }
        // On its own first, so that an unbalanced parenthesis does not pair with one that is added.
        let syntax = syntax::Config::new().unicode(false).utf8(false).nest_limit(50);
        let whole = format!(r"(?:{text})\z");
        for text in [text, &whole] {
            syntax::parse_with(text, &syntax).map_err(|error| PatternError::Syntax(first_cause(&error)))?;
        }
        let config = dense::Config::new()
            .start_kind(StartKind::Anchored)
            .match_kind(MatchKind::All)
            .dfa_size_limit(Some(LARGEST_TABLE))
            .determinize_size_limit(Some(LARGEST_CONSTRUCTION));
        let table = dense::Builder::new()
            .configure(config)
            .syntax(syntax)
            .thompson(thompson::Config::new().utf8(false).nfa_size_limit(Some(LARGEST_CONSTRUCTION)))
            .build(&whole)
            .map_err(|_| PatternError::TooLarge)?;
        let start = table
            .start_state(&start::Config::new().anchored(Anchored::Yes))
            .map_err(|error| PatternError::Syntax(error.to_string()))?;
        let (shortest, longest) = (*lengths.start(), *lengths.end());
        Ok(Self(Arc::new(CompiledPattern {
            text: text.into(),
            shortest,
            longest,
            table,
            start,
            example: "".into(),
        })))
    }

    /// Returns whether a whole value has this format.
    #[must_use]
    pub fn matches(&self, value: &str) -> bool {
        let CompiledPattern { shortest, longest, table, start, .. } = &*self.0;
        if !(*shortest..=*longest).contains(&value.len()) {
            return false;
        }
        let mut state = *start;
        for byte in value.bytes() {
            state = table.next_state(state, byte);
            if table.is_dead_state(state) || !is_key_byte(byte) {
                return false;
            }
        }
        table.is_match_state(table.next_eoi_state(state))
    }

    /// Returns the text of the regular expression.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.0.text
    }

    /// Returns the smallest and the largest number of characters of a value.
    #[must_use]
    pub fn lengths(&self) -> RangeInclusive<usize> {
        self.0.shortest..=self.0.longest
    }

    /// Returns the number of characters of the shortest value with this format. It is larger than the declared smallest
    /// number where the regular expression matches no value of that length.
    #[must_use]
    pub fn shortest_value(&self) -> usize {
        self.0.shortest.max(self.0.example.len())
    }

    /// Returns a value with this format, one of the shortest. It is the same at each call.
    #[must_use]
    pub fn example(&self) -> &str {
        &self.0.example
    }

    /// Returns whether a value with this format can begin with `prefix`.
    #[must_use]
    pub fn can_begin_with(&self, prefix: &str) -> bool {
        prefix.len() <= self.0.longest && walk::can_begin_with(self, prefix)
    }

    /// Returns false if no value with this format begins with `prefix`. It does less than
    /// [`KeyPattern::can_begin_with`], allocates nothing, and can return true for some other prefixes.
    #[must_use]
    pub fn may_begin_with(&self, prefix: &str) -> bool {
        prefix.len() <= self.0.longest && walk::state_after(self, prefix).is_some()
    }

    /// Returns whether a value may have this format and that of `other`. Where the two ranges of lengths overlap, it
    /// compares the formats without their lengths.
    #[must_use]
    pub fn overlaps(&self, other: &Self) -> bool {
        let (one, two) = (self.lengths(), other.lengths());
        one.start() <= two.end() && two.start() <= one.end() && walk::overlap(self, other)
    }

    /// Returns the pattern of an own format, to compare it with those of other systems. `None` for a prefix that is too
    /// long.
    pub(super) fn of_format(prefix: &str, class: &str, characters: usize, checksum: usize) -> Option<Self> {
        let escaped: Vec<String> = prefix.bytes().map(|byte| format!("\\x{byte:02x}")).collect();
        let escaped = escaped.concat();
        let sum = if checksum == 0 { String::new() } else { format!("[0-9A-Za-z]{{{checksum}}}") };
        let length = prefix.len() + characters + checksum;
        Self::compile(&format!("{escaped}{class}{{{characters}}}{sum}"), length..=length).ok()
    }
}

/// Returns whether a key may contain this byte: a header, a cookie and a query parameter can carry it unchanged.
#[must_use]
pub fn is_key_byte(byte: u8) -> bool {
    byte.is_ascii_graphic() && !matches!(byte, b',' | b';' | b'"')
}

/// Returns the cause of a syntax error in one line.
fn first_cause(error: &dyn std::error::Error) -> String {
    let text = error.to_string();
    let line = text.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default();
    line.trim().trim_start_matches("error: ").to_owned()
}

impl PartialEq for KeyPattern {
    fn eq(&self, other: &Self) -> bool {
        self.0.text == other.0.text && self.lengths() == other.lengths()
    }
}

impl Eq for KeyPattern {}

impl fmt::Debug for KeyPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("KeyPattern").field(&self.text()).field(&self.lengths()).finish()
    }
}

#[cfg(test)]
mod tests;
