//! Revisions, versions and sequences: 64-bit numbers without a sign here, with one in a database.

use super::RowContext;
use crate::error::StoreError;

/// As it is stored. No counter gets past 2^63 by steps of one.
pub(crate) fn to_i64(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// As it was meant.
pub(crate) fn to_u64(context: RowContext<'_>, column: &str, number: i64) -> Result<u64, StoreError> {
    u64::try_from(number).map_err(|_| context.corrupt(column))
}
