//! Starts, renews, ends and deletes token families. Starting and renewing only append to the audit log, since
//! they change nothing that a replica caches, and many share a transaction. Ending also appends to the change feed.

use std::collections::HashSet;

use latchkey_core::error::RequestError;
use latchkey_core::id::FamilyId;
use latchkey_core::ports::{ChangeEffect, ChangeSubject};
use latchkey_core::time::Timestamp;
use latchkey_management::ports::{AuditEntry, WriteResult};
use sea_orm::entity::prelude::*;
use sea_orm::sea_query::{CaseStatement, ExprTrait, Query, UpdateStatement};
use sea_orm::{QuerySelect, SqlErr};

use crate::batch::{FamilyStart, TokenRedemption};
use crate::entity::{family, refresh};
use crate::error::StoreError;
use crate::journal::{self, ROWS};
use crate::pool::PooledConnection;
use crate::row;
use crate::write::{family_limit, stored};

/// Inserts families, each with its first refresh token, and ends what is over the limits of their keys and users. Returns
/// the families that each start has ended. The caller appends them to the journal and commits.
pub(crate) async fn begin(
    connection: &PooledConnection,
    starts: &[&FamilyStart],
) -> Result<Vec<Vec<FamilyId>>, StoreError> {
    if starts.is_empty() {
        return Ok(Vec::new());
    }
    let families = starts.iter().map(|start| row::token::family_row(&start.family));
    let inserted = family::Entity::insert_many(families).exec_without_returning(connection).await;
    stored::all("token_families", starts.len(), inserted.map_err(no_holder)?)?;
    let tokens = starts.iter().map(|start| row::token::refresh_row(&start.first));
    let inserted = refresh::Entity::insert_many(tokens).exec_without_returning(connection).await?;
    stored::all("refresh_tokens", starts.len(), inserted)?;
    family_limit::end_surplus(connection, starts).await
}

/// Returns the error of a token whose key, user or family was deleted meanwhile.
fn no_holder(error: DbErr) -> StoreError {
    match error.sql_err() {
        Some(SqlErr::ForeignKeyConstraintViolation(_)) => {
            RequestError::Unauthenticated("the credential is not valid").into()
        }
        _ => error.into(),
    }
}

/// Returns the time from which the row of a family that ends at `at` is obsolete: when its last access token expires.
/// A family without a row counts as one that has ended.
pub(super) fn end_of_tokens(at: i64) -> Expr {
    let column = |column: family::Column| Expr::col(column);
    let last = || column(family::Column::TtlSeconds).mul(1_000_i64).add(at);
    let earlier = column(family::Column::EndsAt).lt(last());
    CaseStatement::new().case(earlier, column(family::Column::EndsAt)).finally(last()).into()
}

/// Marks tokens as used and inserts their successors, except for those that are already used or whose family has
/// ended. Returns for each whether this call used it: of any number of concurrent calls for one token, the one whose
/// statement changes the row. The caller appends those to the audit log and commits.
pub(crate) async fn redeem(
    connection: &PooledConnection,
    redemptions: &[&TokenRedemption],
) -> Result<Vec<bool>, StoreError> {
    if redemptions.is_empty() {
        return Ok(Vec::new());
    }
    let mut used: HashSet<Vec<u8>> = HashSet::new();
    for row in connection.query_all(&mark_used(redemptions)).await? {
        used.insert(row.try_get_by_index(0)?);
    }
    // The first of several redemptions of one token takes it.
    let redeemed: Vec<bool> =
        redemptions.iter().map(|redemption| used.remove(redemption.hash.0.as_slice())).collect();
    let taken = redemptions.iter().zip(&redeemed).filter(|(_, redeemed)| **redeemed);
    let successors: Vec<_> =
        taken.map(|(redemption, _)| row::token::refresh_row(&redemption.successor)).collect();
    if !successors.is_empty() {
        let count = successors.len();
        let inserted = refresh::Entity::insert_many(successors).exec_without_returning(connection).await;
        stored::all("refresh_tokens", count, inserted.map_err(no_holder)?)?;
    }
    Ok(redeemed)
}

/// Returns the statement that marks tokens as used, and returns the hashes of those that it has marked. Of several
/// redemptions of one token, it stores the first.
fn mark_used(redemptions: &[&TokenRedemption]) -> UpdateStatement {
    let living = Query::select()
        .column(family::Column::Id)
        .from(family::Entity)
        .and_where(
            family::Column::Id.is_in(redemptions.iter().map(|redemption| redemption.successor.family.0)),
        )
        .and_where(family::Column::EndedAt.is_null())
        .take();
    let (mut at, mut successor, mut scopes) =
        (CaseStatement::new(), CaseStatement::new(), CaseStatement::new());
    for TokenRedemption { hash, redemption, .. } in redemptions {
        let is_this = || Expr::col(refresh::Column::Hash).eq(hash.0.to_vec());
        at = at.case(is_this(), Expr::value(redemption.at.0));
        successor = successor.case(is_this(), Expr::value(redemption.successor.0.clone()));
        scopes = scopes.case(is_this(), Expr::value(row::token::scopes(&redemption.scopes)));
    }
    Query::update()
        .table(refresh::Entity)
        .value(refresh::Column::SpentAt, at)
        .value(refresh::Column::Successor, successor)
        .value(refresh::Column::SuccessorScopes, scopes)
        .and_where(
            refresh::Column::Hash.is_in(redemptions.iter().map(|redemption| redemption.hash.0.to_vec())),
        )
        .and_where(refresh::Column::SpentAt.is_null())
        .and_where(refresh::Column::FamilyId.in_subquery(living))
        .returning_col(refresh::Column::Hash)
        .take()
}

/// Ends a family.
pub(crate) async fn end(
    connection: PooledConnection,
    id: FamilyId,
    at: Timestamp,
    audit: &AuditEntry,
) -> Result<WriteResult<()>, StoreError> {
    let row = family::Entity::find_by_id(id.0).lock_exclusive().one(&connection).await?;
    if row.ok_or_else(|| RequestError::not_found("family", &id))?.ended_at.is_some() {
        return journal::unchanged_at_head(&connection, ()).await;
    }
    let update = family::Entity::update_many()
        .col_expr(family::Column::EndedAt, Expr::value(at.0))
        .col_expr(family::Column::EndsAt, end_of_tokens(at.0))
        .filter(family::Column::Id.eq(id.0));
    stored::all("token_families", 1, update.exec(&connection).await?.rows_affected)?;
    let change = ChangeSubject::Family(id).with_effect(Some(ChangeEffect::Ended));
    let appended = journal::append_changes(&connection, &[change], audit).await?;
    connection.commit().await?;
    Ok(WriteResult::written(appended.first, ()).with_history(appended.history))
}

/// Deletes some of the families that ended before a time, with their tokens. Returns how many.
pub(crate) async fn prune(connection: PooledConnection, before: Timestamp) -> Result<u64, StoreError> {
    let over = family::Entity::find().filter(family::Column::EndsAt.lt(before.0)).limit(ROWS as u64);
    let ids: Vec<Uuid> = over.all(&connection).await?.into_iter().map(|row| row.id).collect();
    if ids.is_empty() {
        return Ok(0);
    }
    let tokens = refresh::Entity::delete_many().filter(refresh::Column::FamilyId.is_in(ids.clone()));
    tokens.exec(&connection).await?;
    let gone = family::Entity::delete_many().filter(family::Column::Id.is_in(ids)).exec(&connection).await?;
    connection.commit().await?;
    Ok(gone.rows_affected)
}
