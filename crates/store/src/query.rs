//! What is asked of the ledger, one file per subject. Each answer comes from one statement, and so from one
//! moment of the database, wherever more than one row has to agree.

pub(crate) mod audit;
pub(crate) mod check;
pub(crate) mod feed;
pub(crate) mod health;
pub(crate) mod key;
pub(crate) mod profile;
pub(crate) mod sealed_values;
pub(crate) mod shadow;
pub(crate) mod tenant;
pub(crate) mod token;
pub(crate) mod usage;
pub(crate) mod user;

use sea_orm::entity::prelude::*;
use sea_orm::sea_query::SelectStatement;

/// The newest rows before one of them, and how many.
pub(crate) struct Page<T> {
    pub(crate) before: Option<T>,
    pub(crate) limit: u32,
}

impl<T> Page<T> {
    /// How many rows are still wanted beside those that there are.
    fn missing(&self, there: usize) -> u64 {
        u64::from(self.limit).saturating_sub(u64::try_from(there).unwrap_or(u64::MAX))
    }
}

/// Selects a table's columns under names of their own, so that tables can be joined and told apart again.
fn select<C: ColumnTrait>(
    query: &mut SelectStatement,
    table: &'static str,
    columns: impl Iterator<Item = C>,
) {
    for column in columns {
        query.expr_as(Expr::col((table, column)), column_alias(table, column.as_str()));
    }
}

/// The name that [`select`] gives to a column.
fn column_alias(table: &str, column: &str) -> String {
    format!("{}{column}", prefix(table))
}

/// What [`select`] puts before every column's name.
fn prefix(table: &str) -> String {
    format!("{table}_")
}

/// Values for an IN, the last one repeated until there are as many as one of a few sizes: each size is a
/// statement of its own, which connections prepare and keep.
fn padded_in_values<T>(values: &[T]) -> impl Iterator<Item = &T> {
    let size = [1, 4, 16, 64].into_iter().find(|size| *size >= values.len());
    let missing = size.unwrap_or_else(|| values.len().next_multiple_of(256)) - values.len();
    values.iter().chain(values.last().into_iter().cycle().take(missing))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sizes_of_questions_are_few() {
        let size = |values: usize| padded_in_values(&vec![0; values]).count();
        assert_eq!([1, 2, 4, 5, 17, 64, 65, 256, 257].map(size), [1, 4, 4, 16, 64, 64, 256, 256, 512]);
        assert_eq!(padded_in_values(&[1, 2]).collect::<Vec<_>>(), [&1, &2, &2, &2]);
    }
}
