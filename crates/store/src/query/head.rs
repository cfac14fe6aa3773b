//! The state of the database at which a statement reads: its newest revision, and the history there.

use latchkey_core::ports::ReadAt;
use sea_orm::JoinType;
use sea_orm::entity::prelude::*;
use sea_orm::sea_query::{ExprTrait, SelectStatement};

use super::{column_alias, feed};
use crate::entity::{change, head};
use crate::error::StoreError;
use crate::row::{RowContext, number};

const HEAD: &str = "h";
const NEWEST: &str = "n";

/// Makes a statement begin with the single row of the head, and selects the revision and the history. Tables that are
/// joined to it add their rows, or none.
pub(super) fn from_head(query: &mut SelectStatement) {
    query.from_as(head::Entity, HEAD);
    query.expr_as(Expr::col((HEAD, head::Column::Revision)), column_alias(HEAD, "revision"));
    let newest = Expr::col((NEWEST, change::Column::Revision)).equals((HEAD, head::Column::Revision));
    query.join_as(JoinType::LeftJoin, change::Entity, NEWEST, newest);
    query.expr_as(Expr::col((NEWEST, change::Column::History)), column_alias(NEWEST, "history"));
}

/// Reads the state that [`from_head`] selected from the first row.
pub(super) fn read_head(first: Option<&QueryResult>) -> Result<ReadAt, StoreError> {
    let context = RowContext::new("head", &1);
    let first = first.ok_or_else(|| context.corrupt("being missing"))?;
    let revision: i64 = first.try_get("", &column_alias(HEAD, "revision"))?;
    // There is no change before the first write.
    let history: Option<Vec<u8>> = first.try_get("", &column_alias(NEWEST, "history"))?;
    Ok(ReadAt {
        revision: number::to_u64(context, "revision", revision)?,
        history: history.map(|hash| feed::history(revision, &hash)).transpose()?,
    })
}
