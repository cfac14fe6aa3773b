//! Findings about the keys of an import: errors, of which any prevents the whole import, and warnings.

use latchkey_core::error::{FieldViolation, RequestError};
use latchkey_core::key_kind::{KeyKind, Prefixes};
use latchkey_core::time::Timestamp;

use super::ImportRow;

/// Finding about one key, or about several of which it names the first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImportFinding {
    /// Index of the key in the request.
    pub index: usize,
    /// Path of the field in the request.
    pub field: String,
    /// Description, in a sentence that begins with a verb.
    pub description: String,
}

/// Kind of an error, which decides the status code of the call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Problem {
    /// A field is invalid.
    Invalid,
    /// The caller cannot grant the key.
    Denied,
    /// A key with this value exists.
    Exists,
}

/// Most keys that an error names in its text. All of them are in the answer to a call with `validate_only`.
const MOST_NAMED: usize = 20;

/// Errors and warnings of an import.
#[derive(Default)]
pub(super) struct Findings {
    errors: Vec<(Problem, ImportFinding)>,
    /// Keys by hash whose format is unknown: the first one, their number, and what can pass.
    unchecked: Vec<(Box<str>, usize, usize, String)>,
    warnings: Vec<ImportFinding>,
}

impl Findings {
    /// Adds an error. `field` is the path within the key; empty for the key as a whole.
    pub(super) fn add(&mut self, index: usize, field: &str, problem: Problem, text: impl Into<String>) {
        let dot = if field.is_empty() { "" } else { "." };
        let (field, description) = (format!("keys[{index}]{dot}{field}"), text.into());
        self.errors.push((problem, ImportFinding { index, field, description }));
    }

    /// Adds violations whose paths begin with the key.
    pub(super) fn add_violations(&mut self, index: usize, violations: Vec<FieldViolation>) {
        for FieldViolation { field, description } in violations {
            self.errors.push((Problem::Invalid, ImportFinding { index, field, description }));
        }
    }

    /// Returns the number of errors.
    pub(super) fn errors(&self) -> usize {
        self.errors.len()
    }

    /// Notes that the format of a key is unknown, because it is imported by its hash alone.
    pub(super) fn note_unchecked(&mut self, index: usize, kind: &KeyKind, environment: &str) {
        match self.unchecked.iter_mut().find(|(name, ..)| *name == kind.name) {
            Some((_, _, count, _)) => *count += 1,
            None => self.unchecked.push((kind.name.clone(), index, 1, formats(kind, environment))),
        }
    }

    /// Warns of keys that have expired.
    pub(super) fn warn_of_expired(&mut self, rows: &[ImportRow], now: Timestamp) {
        let has_expired = |row: &&ImportRow| row.record.expires.is_some_and(|at| at <= now);
        let expired: Vec<usize> = rows.iter().filter(has_expired).map(|row| row.index).collect();
        let Some(first) = expired.first() else { return };
        let count = expired.len();
        let description = match count {
            1 => "has expired already, and is imported as an expired key".to_owned(),
            _ => format!("and {} others have expired already, and are imported as expired keys", count - 1),
        };
        let field = format!("keys[{first}].key.expire_time");
        self.warnings.push(ImportFinding { index: *first, field, description });
    }

    /// Returns the warnings and the errors.
    pub(super) fn into_reports(self) -> (Vec<ImportFinding>, Vec<ImportFinding>) {
        let mut warnings = self.warnings;
        for (kind, first, count, formats) in self.unchecked {
            let (subject, pronoun) = if count == 1 {
                ("is imported by its hash".to_owned(), "its")
            } else {
                (format!("and {} others are imported by their hashes", count - 1), "their")
            };
            let description = format!(
                "{subject}, so that {pronoun} format can't be checked: Check accepts only keys of the kind {kind:?} that \
                 {formats}. Name `prefix`, the beginning of the value, to have it compared"
            );
            warnings.push(ImportFinding { index: first, field: format!("keys[{first}]"), description });
        }
        let mut errors: Vec<ImportFinding> = self.errors.into_iter().map(|(_, finding)| finding).collect();
        errors.sort_by_key(|error| error.index);
        (warnings, errors)
    }

    /// Returns the warnings if there are no errors.
    pub(super) fn finish(self) -> Result<Vec<ImportFinding>, RequestError> {
        let any = |problem| self.errors.iter().any(|(p, _)| *p == problem);
        let (invalid, denied) = (any(Problem::Invalid), any(Problem::Denied));
        let (warnings, errors) = self.into_reports();
        if errors.is_empty() {
            return Ok(warnings);
        }
        if invalid {
            let violation = |error: ImportFinding| FieldViolation::new(error.field, error.description);
            return Err(RequestError::InvalidArgument(errors.into_iter().map(violation).collect()));
        }
        let named = errors.iter().take(MOST_NAMED).map(|e| format!("{} {}", e.field, e.description));
        let mut text = named.collect::<Vec<_>>().join("; ");
        if errors.len() > MOST_NAMED {
            text = format!("{text}; and {} more", errors.len() - MOST_NAMED);
        }
        Err(if denied { RequestError::PermissionDenied(text) } else { RequestError::AlreadyExists(text) })
    }
}

/// Returns the formats of a kind's values in an environment, or in all if it has no keys in this one, as the end of a sentence about keys that have one.
pub(super) fn formats(kind: &KeyKind, environment: &str) -> String {
    let mut formats = Vec::new();
    if !kind.imports.only {
        let sum = if kind.checksum { " and a checksum of 6" } else { "" };
        let prefixes: Vec<&str> = match &kind.prefixes {
            Prefixes::Shared(prefix) => vec![prefix],
            Prefixes::PerEnvironment(all) => match kind.prefixes.of(environment) {
                Some(prefix) => vec![prefix],
                None => all.iter().map(|(_, prefix)| &**prefix).collect(),
            },
        };
        let prefixes: Vec<String> = prefixes.iter().map(|prefix| format!("{prefix:?}")).collect();
        let prefix = prefixes.join(" or ");
        let (characters, encoding) = (kind.characters, kind.encoding.name());
        formats.push(format!("are {prefix} and {characters} {encoding} characters{sum}"));
    }
    if let Some(pattern) = &kind.imports.pattern {
        let (min, max) = (pattern.lengths().start().to_owned(), pattern.lengths().end().to_owned());
        formats.push(format!("match the pattern {:?} with {min} to {max} characters", pattern.text()));
    }
    formats.join(", or ")
}
