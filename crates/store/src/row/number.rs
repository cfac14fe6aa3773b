//! Conversion of revisions, versions and sequences between `u64` and the signed 64-bit integers of databases.

use super::RowContext;
use crate::error::StoreError;

/// Returns the stored form. A counter that grows by one never exceeds 2^63.
pub(crate) fn to_i64(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// Returns the number; an error if the stored one is negative.
pub(crate) fn to_u64(context: RowContext<'_>, column: &str, number: i64) -> Result<u64, StoreError> {
    u64::try_from(number).map_err(|_| context.corrupt(column))
}
