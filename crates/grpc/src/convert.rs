//! Conversion between messages and domain types. A value that a message can hold and a domain type cannot (a
//! timestamp out of range, an unknown number of an enum) is collected as a violation, so that one error names all
//! invalid fields.

pub(crate) mod audit;
pub(crate) mod key;
pub(crate) mod list;
pub(crate) mod profile;
pub(crate) mod reason;
pub(crate) mod shadow;
pub(crate) mod tenant;
pub(crate) mod time;
pub(crate) mod token;
pub(crate) mod usage;

use std::collections::{BTreeMap, HashMap};

use latchkey_core::error::{FieldViolation, RequestError};

/// Invalid fields of a message that were found so far.
#[derive(Debug, Default)]
pub(crate) struct Violations(Vec<FieldViolation>);

impl Violations {
    /// Adds a field and the description of its error.
    pub(crate) fn add(&mut self, field: impl Into<String>, description: impl Into<String>) {
        self.0.push(FieldViolation::new(field, description));
    }

    /// Adds a violation if a text has more than `max_bytes` bytes or a control character.
    pub(crate) fn check_text(&mut self, field: &str, text: &str, max_bytes: usize) {
        if text.len() > max_bytes {
            self.add(field, format!("must have at most {max_bytes} bytes, and has {}", text.len()));
        }
        if text.chars().any(char::is_control) {
            self.add(field, "must not have control characters");
        }
    }

    /// Adds a violation if a list has more than `max` entries.
    pub(crate) fn check_count(&mut self, field: &str, count: usize, max: usize) {
        if count > max {
            self.add(field, format!("must have at most {max} entries, and has {count}"));
        }
    }

    /// Returns all violations.
    pub(crate) fn into_violations(self) -> Vec<FieldViolation> {
        self.0
    }

    /// Returns an error with all violations, if there are any.
    pub(crate) fn finish(self) -> Result<(), RequestError> {
        if self.0.is_empty() { Ok(()) } else { Err(RequestError::InvalidArgument(self.0)) }
    }
}

/// Converts a message's map to an ordered map.
pub(crate) fn to_btree_map(map: HashMap<String, String>) -> BTreeMap<String, String> {
    map.into_iter().collect()
}

/// Converts an ordered map to the map of a message.
pub(crate) fn to_hash_map(map: &BTreeMap<String, String>) -> HashMap<String, String> {
    map.iter().map(|(k, v)| (k.clone(), v.clone())).collect()
}
