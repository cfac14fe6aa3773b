//! Replaces sealed values. Each is replaced by one statement, which changes nothing if the value has changed
//! meanwhile. Replicas do not cache sealed values, so the change feed has no rows for them. A signing key that
//! is withdrawn here can no longer be opened by any replica.

use latchkey_management::ports::AuditEntry;
use latchkey_management::ports::sealed_values::{KeyCheckValue, Replacement, SealedTable};
use sea_orm::ActiveValue::Set;
use sea_orm::entity::prelude::*;
use sea_orm::sea_query::ExprTrait;

use crate::entity::{key, master_key_mark, profile_secret, refresh, signing_key};
use crate::error::StoreError;
use crate::journal;
use crate::pool::PooledConnection;
use crate::query::sealed_values::{key_id, profile_secret_id, signing_key_id};
use crate::write::stored;

/// Replaces the values that are unchanged since they were read; returns how many.
pub(crate) async fn replace(
    connection: PooledConnection,
    table: SealedTable,
    values: &[Replacement],
) -> Result<u64, StoreError> {
    let mut replaced = 0;
    for value in values {
        replaced += match table {
            SealedTable::SigningKeys => signing_key(&connection, value).await?,
            SealedTable::Keys => key(&connection, value).await?,
            SealedTable::RefreshTokens => refresh_token(&connection, value).await?,
            SealedTable::ProfileSecrets => profile_secret(&connection, value).await?,
        };
    }
    connection.commit().await?;
    Ok(replaced)
}

/// Replaces or removes the sealed value of a signing key. A key without a value can no longer sign and is withdrawn;
/// its time of creation is stored as the time of withdrawal, since the true time is unknown.
async fn signing_key(connection: &PooledConnection, value: &Replacement) -> Result<u64, StoreError> {
    use signing_key::{Column, Entity};
    let after = value.after.as_ref().map_or_else(Vec::new, |sealed| sealed.0.clone());
    let mut update = Entity::update_many()
        .col_expr(Column::Sealed, Expr::value(after))
        .filter(Column::Id.eq(signing_key_id(&value.row)))
        .filter(Column::Sealed.eq(value.before.0.clone()));
    if value.after.is_none() {
        let since = Expr::col(Column::WithdrawnAt).if_null(Expr::col(Column::CreatedAt));
        update = update.col_expr(Column::WithdrawnAt, since);
    }
    Ok(update.exec(connection).await?.rows_affected)
}

async fn key(connection: &PooledConnection, value: &Replacement) -> Result<u64, StoreError> {
    use key::{Column, Entity};
    let after = value.after.as_ref().map(|sealed| sealed.0.clone());
    let update = Entity::update_many()
        .col_expr(Column::Sealed, Expr::value(after))
        .filter(Column::Id.eq(key_id(&value.row)?))
        .filter(Column::Sealed.eq(value.before.0.clone()));
    Ok(update.exec(connection).await?.rows_affected)
}

async fn refresh_token(connection: &PooledConnection, value: &Replacement) -> Result<u64, StoreError> {
    use refresh::{Column, Entity};
    let same = Column::Hash.eq(value.row.clone()).and(Column::Successor.eq(value.before.0.clone()));
    let Some(after) = &value.after else {
        return Ok(Entity::delete_many().filter(same).exec(connection).await?.rows_affected);
    };
    let update = Entity::update_many().col_expr(Column::Successor, Expr::value(after.0.clone()));
    Ok(update.filter(same).exec(connection).await?.rows_affected)
}

async fn profile_secret(connection: &PooledConnection, value: &Replacement) -> Result<u64, StoreError> {
    use profile_secret::{Column, Entity};
    let (profile, name) = profile_secret_id(&value.row);
    let same = Column::Profile.eq(profile).and(Column::Name.eq(name));
    let same = same.and(Column::Sealed.eq(value.before.0.clone()));
    let Some(after) = &value.after else {
        return Ok(Entity::delete_many().filter(same).exec(connection).await?.rows_affected);
    };
    let update = Entity::update_many().col_expr(Column::Sealed, Expr::value(after.0.clone()));
    Ok(update.filter(same).exec(connection).await?.rows_affected)
}

/// Inserts a key check value.
pub(crate) async fn insert_key_check_value(
    connection: PooledConnection,
    mark: KeyCheckValue,
) -> Result<(), StoreError> {
    let row = master_key_mark::ActiveModel { id: Set(mark.id), sealed: Set(mark.sealed.0) };
    let inserted = master_key_mark::Entity::insert(row).exec_without_returning(&connection).await?;
    stored::all("master_key_marks", 1, inserted)?;
    Ok(connection.commit().await?)
}

/// Deletes key check values, and appends an audit event.
pub(crate) async fn finish_rewrap(
    connection: PooledConnection,
    gone: Vec<Uuid>,
    audit: &AuditEntry,
) -> Result<(), StoreError> {
    if !gone.is_empty() {
        master_key_mark::Entity::delete_many()
            .filter(master_key_mark::Column::Id.is_in(gone))
            .exec(&connection)
            .await?;
    }
    journal::append_audit(&connection, audit).await?;
    Ok(connection.commit().await?)
}
