//! Reads records of deletions.

use latchkey_core::id::TenantId;
use latchkey_core::record::TenantRef;
use latchkey_core::secret::KeyHash;
use latchkey_management::ports::deletion::{DeletedObject, Deletion};
use sea_orm::entity::prelude::*;
use sea_orm::{QueryOrder, QuerySelect};

use crate::entity::deletion::{Column, Entity, Model};
use crate::error::StoreError;
use crate::journal;
use crate::pool::PooledConnection;
use crate::row::{RowContext, number};

/// Kind of a deleted key.
pub(crate) const KEY: &str = "key";
/// Kind of a deleted user.
pub(crate) const USER: &str = "user";
/// Kind of a deleted tenant.
pub(crate) const TENANT: &str = "tenant";

/// Returns the record of an object's deletion, with the history at its revision.
pub(crate) async fn of_object(
    connection: &PooledConnection,
    object: &DeletedObject,
) -> Result<Option<Deletion>, StoreError> {
    let by_id = |id: Uuid, kind: &str| Entity::find_by_id(id).filter(Column::Kind.eq(kind));
    let query = match object {
        DeletedObject::Key(id) => by_id(id.0, KEY),
        DeletedObject::User(id) => by_id(id.0, USER),
        DeletedObject::Tenant(TenantRef::Id(id)) => by_id(id.0, TENANT),
        DeletedObject::Tenant(TenantRef::Slug(slug)) => {
            Entity::find().filter(Column::Slug.eq(slug)).order_by_desc(Column::DeletedAt).limit(1)
        }
    };
    let Some(row) = query.one(connection).await? else { return Ok(None) };
    let revision = revision(&row)?;
    let written = journal::unchanged(connection, revision, ()).await?;
    Ok(Some(Deletion { tenant: TenantId(row.tenant_id), actor: row.actor, written }))
}

/// Returns the revision of a tenant's deletion; `None` if the tenant was not deleted.
pub(crate) async fn revision_of_tenant(
    connection: &PooledConnection,
    id: TenantId,
) -> Result<Option<u64>, StoreError> {
    let row = Entity::find_by_id(id.0).filter(Column::Kind.eq(TENANT)).one(connection).await?;
    row.map(|row| revision(&row)).transpose()
}

/// Returns whether a key of the tenant was deleted.
pub(crate) async fn has_deleted_key(
    connection: &PooledConnection,
    tenant: TenantId,
) -> Result<bool, StoreError> {
    let of_tenant = Entity::find().filter(Column::TenantId.eq(tenant.0)).filter(Column::Kind.eq(KEY));
    Ok(of_tenant.limit(1).one(connection).await?.is_some())
}

/// Returns how many of the identifiers are those of deleted keys.
pub(crate) async fn count_keys(connection: &PooledConnection, ids: &[Uuid]) -> Result<usize, StoreError> {
    let those = Column::Id.is_in(ids.iter().copied());
    let query = Entity::find().select_only().column(Column::Id).filter(those).filter(Column::Kind.eq(KEY));
    let found: Vec<Uuid> = query.into_tuple().all(connection).await?;
    Ok(found.len())
}

/// Returns those of the hashes that belong to deleted keys.
pub(crate) async fn deleted_hashes(
    connection: &PooledConnection,
    hashes: &[KeyHash],
) -> Result<Vec<Vec<u8>>, StoreError> {
    let mut found = Vec::new();
    for hashes in hashes.chunks(journal::ROWS) {
        let query = Entity::find().select_only().column(Column::Hash);
        let query = query.filter(Column::Hash.is_in(hashes.iter().map(|hash| hash.0.to_vec())));
        let rows: Vec<Option<Vec<u8>>> = query.into_tuple().all(connection).await?;
        found.extend(rows.into_iter().flatten());
    }
    Ok(found)
}

fn revision(row: &Model) -> Result<u64, StoreError> {
    number::to_u64(RowContext::new("deletions", &row.id), "revision", row.revision)
}
