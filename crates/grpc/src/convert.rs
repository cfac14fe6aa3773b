//! Messages to values and back. What a message can say and a value can't (a moment that doesn't exist, a
//! number that is no enumeration's) is collected here, field by field, so that all of it is named at once.

pub(crate) mod audit;
pub(crate) mod key;
pub(crate) mod reason;
pub(crate) mod shadow;
pub(crate) mod tenant;
pub(crate) mod time;
pub(crate) mod token;
pub(crate) mod usage;

use std::collections::{BTreeMap, HashMap};

use latchkey_core::error::{FieldViolation, RequestError};

/// What was found wrong with a message so far.
#[derive(Debug, Default)]
pub(crate) struct Violations(Vec<FieldViolation>);

impl Violations {
    /// A field, and what is wrong with it.
    pub(crate) fn add(&mut self, field: impl Into<String>, description: impl Into<String>) {
        self.0.push(FieldViolation::new(field, description));
    }

    /// Text of at most so many bytes, without control characters.
    pub(crate) fn check_text(&mut self, field: &str, text: &str, most: usize) {
        if text.len() > most {
            self.add(field, format!("must have at most {most} bytes, and has {}", text.len()));
        }
        if text.chars().any(char::is_control) {
            self.add(field, "must not have control characters");
        }
    }

    /// At most so many of something.
    pub(crate) fn check_count(&mut self, field: &str, count: usize, most: usize) {
        if count > most {
            self.add(field, format!("must be at most {most}, and are {count}"));
        }
    }

    /// Everything that was wrong.
    pub(crate) fn into_violations(self) -> Vec<FieldViolation> {
        self.0
    }

    /// A refusal, if anything was wrong.
    pub(crate) fn finish(self) -> Result<(), RequestError> {
        if self.0.is_empty() { Ok(()) } else { Err(RequestError::InvalidArgument(self.0)) }
    }
}

/// A message's map, in order.
pub(crate) fn to_btree_map(map: HashMap<String, String>) -> BTreeMap<String, String> {
    map.into_iter().collect()
}

/// An ordered map, as messages have it.
pub(crate) fn to_hash_map(map: &BTreeMap<String, String>) -> HashMap<String, String> {
    map.iter().map(|(k, v)| (k.clone(), v.clone())).collect()
}
