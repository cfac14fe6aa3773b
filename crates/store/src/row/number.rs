//! Revisions, versions and sequences: 64-bit numbers without a sign here, with one in a database.

use super::Place;
use crate::stop::Stop;

/// As it is stored. No counter gets past 2^63 by steps of one.
pub(crate) fn stored(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// As it was meant.
pub(crate) fn read(place: Place<'_>, column: &str, number: i64) -> Result<u64, Stop> {
    u64::try_from(number).map_err(|_| place.spoiled(column))
}
