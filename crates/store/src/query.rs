//! Queries, one file for each subject. Wherever several rows must agree, they are read by one statement and
//! therefore at one moment of the database.

pub(crate) mod audit;
pub(crate) mod check;
pub(crate) mod deletion;
pub(crate) mod feed;
mod head;
pub(crate) mod health;
pub(crate) mod impact;
pub(crate) mod key;
pub(crate) mod outdated;
pub(crate) mod profile;
pub(crate) mod restore;
pub(crate) mod sealed_values;
pub(crate) mod shadow;
pub(crate) mod tenant;
pub(crate) mod token;
pub(crate) mod usage;
pub(crate) mod usage_report;
pub(crate) mod user;
mod walk;

use sea_orm::entity::prelude::*;
use sea_orm::sea_query::SelectStatement;

/// Position and size of a page of events: the newest before `before`, at most `limit`.
pub(crate) struct Page<T> {
    pub(crate) before: Option<T>,
    pub(crate) limit: u32,
}

/// Selects a table's columns under aliases, so that the columns of joined tables can be distinguished.
fn select<C: ColumnTrait>(
    query: &mut SelectStatement,
    table: &'static str,
    columns: impl Iterator<Item = C>,
) {
    for column in columns {
        query.expr_as(Expr::col((table, column)), column_alias(table, column.as_str()));
    }
}

/// Returns the alias that [`select`] gives to a column.
fn column_alias(table: &str, column: &str) -> String {
    format!("{}{column}", prefix(table))
}

/// Returns the prefix that [`select`] puts before every column's name.
fn prefix(table: &str) -> String {
    format!("{table}_")
}

/// Pads the values of an IN to one of a few sizes by repeating the last one. Each size is one statement, which
/// connections prepare and keep.
pub(crate) fn padded_in_values<T>(values: &[T]) -> impl Iterator<Item = &T> {
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
