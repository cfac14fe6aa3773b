//! The state of the database at which a statement reads: its newest revision, and the history there.

use latchkey_core::ports::ReadAt;
use sea_orm::entity::prelude::*;
use sea_orm::sea_query::{ExprTrait, Query, SelectStatement};

use super::{column_alias, feed};
use crate::entity::{change, head};
use crate::error::StoreError;
use crate::row::{RowContext, number};

const HEAD: &str = "h";
const HISTORY: &str = "history";

/// Makes a statement begin with the single row of the head, and selects the revision and the history. Tables that are
/// joined to it add their rows, or none.
///
/// The history is looked up by the index of changes, once: PostgreSQL would read the whole table for a join, as long as its
/// statistics are those of a new one, and repeat an expression in each row. The limit keeps it from both.
pub(super) fn from_head(query: &mut SelectStatement) {
    let newest =
        Expr::col((change::Entity, change::Column::Revision)).equals((head::Entity, head::Column::Revision));
    let mut history = Query::select();
    history.column(change::Column::History).from(change::Entity).and_where(newest);
    let mut head = Query::select();
    head.column(head::Column::Revision).expr_as(Expr::SubQuery(None, Box::new(history.into())), HISTORY);
    query.from_subquery(head.from(head::Entity).limit(1).take(), HEAD);
    query.expr_as(Expr::col((HEAD, head::Column::Revision)), column_alias(HEAD, "revision"));
    query.expr_as(Expr::col((HEAD, HISTORY)), column_alias(HEAD, HISTORY));
}

/// Reads the state that [`from_head`] selected from the first row.
pub(super) fn read_head(first: Option<&QueryResult>) -> Result<ReadAt, StoreError> {
    let context = RowContext::new("head", &1);
    let first = first.ok_or_else(|| context.corrupt("being missing"))?;
    let revision: i64 = first.try_get("", &column_alias(HEAD, "revision"))?;
    // There is no change before the first write.
    let history: Option<Vec<u8>> = first.try_get("", &column_alias(HEAD, HISTORY))?;
    Ok(ReadAt {
        revision: number::to_u64(context, "revision", revision)?,
        history: history.map(|hash| feed::history(revision, &hash)).transpose()?,
    })
}
