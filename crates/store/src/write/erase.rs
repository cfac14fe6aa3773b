//! Erasure of keys and users: their rows, the token families that belong to them, and what was stored about their use.
//! The caller has locked the rows, so that no family can be started meanwhile. What stays is the record of the deletion
//! and, until it is pruned, the number of calls by hour.

use latchkey_core::id::TenantId;
use latchkey_core::secret::KeyHash;
use latchkey_core::time::Timestamp;
use sea_orm::entity::prelude::*;
use sea_orm::sea_query::{Query, SelectStatement};
use sea_orm::{Condition, IntoActiveModel};

use super::{login, stored};
use crate::entity::{deletion, family, grant, key, key_last_use, key_scope_use, refresh, user};
use crate::error::StoreError;
use crate::pool::PooledConnection;
use crate::query::deletion::{KEY, USER};
use crate::row::number;

/// Facts about a deletion that its records keep.
#[derive(Clone, Copy)]
pub(super) struct DeletedBy<'a> {
    pub(super) tenant: TenantId,
    pub(super) actor: &'a str,
    pub(super) at: Timestamp,
    /// Revision of the deletion; 0 if it is not known yet.
    pub(super) revision: u64,
}

impl DeletedBy<'_> {
    /// Returns the record of an object's deletion.
    pub(super) fn record(&self, id: Uuid, kind: &str) -> deletion::Model {
        deletion::Model {
            id,
            kind: kind.to_owned(),
            tenant_id: self.tenant.0,
            slug: None,
            hash: None,
            actor: self.actor.to_owned(),
            deleted_at: self.at.0,
            revision: number::to_i64(self.revision),
        }
    }
}

/// Erases keys, given by their identifiers and hashes.
pub(super) async fn keys(
    connection: &PooledConnection,
    keys: &[(Uuid, KeyHash)],
    by: DeletedBy<'_>,
) -> Result<(), StoreError> {
    let ids = || keys.iter().map(|(id, _)| *id);
    families(connection, family::Column::KeyId.is_in(ids()).into()).await?;
    grant::Entity::delete_many().filter(grant::Column::KeyId.is_in(ids())).exec(connection).await?;
    let last = key_last_use::Entity::delete_many().filter(key_last_use::Column::KeyId.is_in(ids()));
    last.exec(connection).await?;
    let scopes = key_scope_use::Entity::delete_many().filter(key_scope_use::Column::KeyId.is_in(ids()));
    scopes.exec(connection).await?;
    let record =
        |(id, hash): &(Uuid, KeyHash)| deletion::Model { hash: Some(hash.0.to_vec()), ..by.record(*id, KEY) };
    records(connection, keys.iter().map(record)).await?;
    let deleted = key::Entity::delete_many().filter(key::Column::Id.is_in(ids())).exec(connection).await?;
    stored::all("keys", keys.len(), deleted.rows_affected)
}

/// Erases users, given by their identifiers and e-mail addresses.
pub(super) async fn users(
    connection: &PooledConnection,
    users: &[(Uuid, String)],
    by: DeletedBy<'_>,
) -> Result<(), StoreError> {
    for (_, email) in users {
        login::forget(connection, by.tenant, email).await?;
    }
    let ids = || users.iter().map(|(id, _)| *id);
    families(connection, family::Column::UserId.is_in(ids()).into()).await?;
    records(connection, ids().map(|id| by.record(id, USER))).await?;
    let deleted = user::Entity::delete_many().filter(user::Column::Id.is_in(ids())).exec(connection).await?;
    stored::all("users", users.len(), deleted.rows_affected)
}

/// Inserts records of deletions.
pub(super) async fn records(
    connection: &PooledConnection,
    records: impl Iterator<Item = deletion::Model>,
) -> Result<(), StoreError> {
    let rows: Vec<_> = records.map(IntoActiveModel::into_active_model).collect();
    let count = rows.len();
    let inserted = deletion::Entity::insert_many(rows).exec_without_returning(connection).await?;
    stored::all("deletions", count, inserted)
}

/// Deletes token families with their refresh tokens, which are deleted first: a refresh locks them in this order too.
async fn families(connection: &PooledConnection, owners: Condition) -> Result<(), StoreError> {
    let tokens = refresh::Column::FamilyId.in_subquery(ids_of_families(owners.clone()));
    refresh::Entity::delete_many().filter(tokens).exec(connection).await?;
    family::Entity::delete_many().filter(owners).exec(connection).await?;
    Ok(())
}

fn ids_of_families(owners: Condition) -> SelectStatement {
    Query::select().column(family::Column::Id).from(family::Entity).cond_where(owners).take()
}
