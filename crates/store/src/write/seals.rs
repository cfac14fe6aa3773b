//! Replacing what lies sealed: each value by one statement, which changes nothing where another value has come in its
//! place. Nobody remembers sealed values, so that the feed need not tell of them; a signing key that is withdrawn here
//! could be opened by nobody.

use latchkey_management::ports::AuditEntry;
use latchkey_management::ports::seals::{Drawer, Mark, Replacement};
use sea_orm::ActiveValue::Set;
use sea_orm::entity::prelude::*;
use sea_orm::sea_query::ExprTrait;

use crate::entity::{key, mark, refresh, signing_key};
use crate::entry;
use crate::pool::Lease;
use crate::query::seals::{key_id, signing_key_id};
use crate::stop::Stop;

/// Replaces what is still as it was read; answers how many.
pub(crate) async fn replace(lease: Lease, drawer: Drawer, values: &[Replacement]) -> Result<u64, Stop> {
    let mut replaced = 0;
    for value in values {
        replaced += match drawer {
            Drawer::SigningKeys => signing_key(&lease, value).await?,
            Drawer::Keys => key(&lease, value).await?,
            Drawer::RefreshTokens => refresh_token(&lease, value).await?,
        };
    }
    lease.commit().await?;
    Ok(replaced)
}

/// What can sign nothing any more is withdrawn, since it was made: nobody can tell since when.
async fn signing_key(lease: &Lease, value: &Replacement) -> Result<u64, Stop> {
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
    Ok(update.exec(lease).await?.rows_affected)
}

async fn key(lease: &Lease, value: &Replacement) -> Result<u64, Stop> {
    use key::{Column, Entity};
    let after = value.after.as_ref().map(|sealed| sealed.0.clone());
    let update = Entity::update_many()
        .col_expr(Column::Sealed, Expr::value(after))
        .filter(Column::Id.eq(key_id(&value.row)?))
        .filter(Column::Sealed.eq(value.before.0.clone()));
    Ok(update.exec(lease).await?.rows_affected)
}

async fn refresh_token(lease: &Lease, value: &Replacement) -> Result<u64, Stop> {
    use refresh::{Column, Entity};
    let same = Column::Hash.eq(value.row.clone()).and(Column::Successor.eq(value.before.0.clone()));
    let Some(after) = &value.after else {
        return Ok(Entity::delete_many().filter(same).exec(lease).await?.rows_affected);
    };
    let update = Entity::update_many().col_expr(Column::Successor, Expr::value(after.0.clone()));
    Ok(update.filter(same).exec(lease).await?.rows_affected)
}

/// Makes a mark.
pub(crate) async fn make_mark(lease: Lease, mark: Mark) -> Result<(), Stop> {
    let row = mark::ActiveModel { id: Set(mark.id), sealed: Set(mark.sealed.0) };
    mark::Entity::insert(row).exec_without_returning(&lease).await?;
    Ok(lease.commit().await?)
}

/// Takes marks away, and notes what was done.
pub(crate) async fn resealed(lease: Lease, gone: Vec<Uuid>, audit: &AuditEntry) -> Result<(), Stop> {
    if !gone.is_empty() {
        mark::Entity::delete_many().filter(mark::Column::Id.is_in(gone)).exec(&lease).await?;
    }
    entry::note(&lease, audit).await?;
    Ok(lease.commit().await?)
}
