//! The newest revision of the database, as statements read it together with other rows.

use latchkey_core::ports::ReadAt;
use sea_orm::entity::prelude::*;
use sea_orm::sea_query::{ExprTrait as _, SelectStatement};

use super::column_alias;
use super::feed::HEAD_ROW;
use crate::entity::head;
use crate::error::StoreError;
use crate::row::{RowContext, number};

const HEAD: &str = "h";

/// Makes a statement begin with the row of the head, and selects the revision. Tables that are joined to it add
/// their rows, or none.
pub(super) fn from_head(query: &mut SelectStatement) {
    query.from_as(head::Entity, HEAD);
    query.and_where(Expr::col((HEAD, head::Column::Id)).eq(HEAD_ROW));
    query.expr_as(Expr::col((HEAD, head::Column::Revision)), column_alias(HEAD, "revision"));
}

/// Reads the revision that [`from_head`] selected from the first row.
pub(super) fn read_head(first: Option<&QueryResult>) -> Result<ReadAt, StoreError> {
    let context = RowContext::new("head", &1);
    let first = first.ok_or_else(|| context.corrupt("being missing"))?;
    let revision: i64 = first.try_get("", &column_alias(HEAD, "revision"))?;
    Ok(ReadAt::revision(number::to_u64(context, "revision", revision)?))
}
