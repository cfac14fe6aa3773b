//! Conversion between rows and records. A row that cannot become a record (an unknown word, a hash of the wrong
//! length, text that is not JSON) is reported as corrupt, naming its table, identifier and column, never its
//! content.

pub(crate) mod key;
pub(crate) mod limits;
pub(crate) mod number;
pub(crate) mod profile;
pub(crate) mod tenant;
pub(crate) mod token;
pub(crate) mod user;

use std::collections::BTreeMap;
use std::fmt::Display;

use crate::error::StoreError;

/// Returns a map of strings in its stored form, a JSON object.
pub(crate) fn json_map(map: &BTreeMap<String, String>) -> String {
    json(map)
}

/// Serializes a value that always has a JSON form: maps with string keys, lists, numbers, strings.
fn json<T: serde::Serialize>(value: &T) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

/// The row that is being read, for error messages.
#[derive(Clone, Copy)]
pub(crate) struct RowContext<'a> {
    table: &'static str,
    id: &'a dyn Display,
}

impl<'a> RowContext<'a> {
    pub(crate) fn new(table: &'static str, id: &'a dyn Display) -> Self {
        Self { table, id }
    }

    /// Returns the error that this column of the row is corrupt.
    pub(crate) fn corrupt(&self, column: &str) -> StoreError {
        StoreError::Corrupt(format!("the row {} of {} is corrupt in {column}", self.id, self.table))
    }

    pub(crate) fn json<T: serde::de::DeserializeOwned>(
        &self,
        column: &str,
        text: &str,
    ) -> Result<T, StoreError> {
        serde_json::from_str(text).map_err(|_| self.corrupt(column))
    }
}
