//! From rows to records and back. A row that can't be a record (an unknown word, a hash of the wrong
//! length, text that isn't JSON) is said to be corrupt: its table, its identifier and its column are named,
//! never what stands there.

pub(crate) mod key;
mod limits;
pub(crate) mod number;
pub(crate) mod profile;
pub(crate) mod tenant;
pub(crate) mod token;
pub(crate) mod user;

use std::collections::BTreeMap;
use std::fmt::Display;

use crate::error::StoreError;

/// A map of texts as it is stored.
pub(crate) fn json_map(map: &BTreeMap<String, String>) -> String {
    json(map)
}

/// JSON of what can't fail to be JSON: maps with text for keys, lists, numbers, text.
fn json<T: serde::Serialize>(value: &T) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

/// Which row is being read, so that what is wrong with it can be said.
#[derive(Clone, Copy)]
pub(crate) struct RowContext<'a> {
    table: &'static str,
    id: &'a dyn Display,
}

impl<'a> RowContext<'a> {
    pub(crate) fn new(table: &'static str, id: &'a dyn Display) -> Self {
        Self { table, id }
    }

    /// The row is corrupt in this column.
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
