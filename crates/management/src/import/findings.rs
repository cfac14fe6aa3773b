//! Findings about the keys of an import: errors, of which any prevents the whole import, and warnings.

use std::collections::BTreeSet;

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

/// Keys of a kind and an environment that are imported by their hashes alone, so that their format is unknown.
struct KeysByHash {
    kind: Box<str>,
    environment: Box<str>,
    indexes: Vec<usize>,
    /// Formats of the keys that Check accepts.
    formats: String,
}

/// Errors and warnings of an import. Warnings are about keys without errors alone.
#[derive(Default)]
pub(super) struct Findings {
    errors: Vec<(Problem, ImportFinding)>,
    by_hash: Vec<KeysByHash>,
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
        let same = |keys: &&mut KeysByHash| keys.kind == kind.name && *keys.environment == *environment;
        match self.by_hash.iter_mut().find(same) {
            Some(keys) => keys.indexes.push(index),
            None => self.by_hash.push(KeysByHash {
                kind: kind.name.clone(),
                environment: environment.into(),
                indexes: vec![index],
                formats: formats(kind, environment),
            }),
        }
    }

    /// Returns the indexes of the keys that have an error.
    fn wrong(&self) -> BTreeSet<usize> {
        self.errors.iter().map(|(_, error)| error.index).collect()
    }

    /// Warns of keys that have expired. The errors of all keys must have been added before.
    pub(super) fn warn_of_expired(&mut self, rows: &[ImportRow], now: Timestamp) {
        let wrong = self.wrong();
        let has_expired = |row: &&ImportRow| row.record.expires.is_some_and(|at| at <= now);
        let expired: Vec<usize> = rows.iter().filter(has_expired).map(|row| row.index).collect();
        let Some((first, others)) = first_and_others(expired, &wrong) else { return };
        let description = match others {
            0 => "has expired already, and is imported as an expired key".to_owned(),
            1 => "and 1 other have expired already, and are imported as expired keys".to_owned(),
            _ => format!("and {others} others have expired already, and are imported as expired keys"),
        };
        let field = format!("keys[{first}].key.expire_time");
        self.warnings.push(ImportFinding { index: first, field, description });
    }

    /// Returns the warnings and the errors.
    pub(super) fn into_reports(self) -> (Vec<ImportFinding>, Vec<ImportFinding>) {
        let wrong = self.wrong();
        let mut warnings = self.warnings;
        for KeysByHash { kind, indexes, formats, .. } in self.by_hash {
            let Some((first, others)) = first_and_others(indexes, &wrong) else { continue };
            let (subject, pronoun) = match others {
                0 => ("is imported by its hash".to_owned(), "its"),
                1 => ("and 1 other are imported by their hashes".to_owned(), "their"),
                _ => (format!("and {others} others are imported by their hashes"), "their"),
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

/// Returns the first of the keys that have no error, and the number of the others.
fn first_and_others(indexes: Vec<usize>, wrong: &BTreeSet<usize>) -> Option<(usize, usize)> {
    let mut right = indexes.into_iter().filter(|index| !wrong.contains(index));
    Some((right.next()?, right.count()))
}

/// Returns the formats of a kind's values in an environment, or in all if it has no keys in this one, as the end of a
/// sentence about keys that have one.
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
