//! Deleted keys, users and tenants.

use sea_orm::entity::prelude::*;

/// A row.
#[derive(Clone, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "deletions")]
pub(crate) struct Model {
    /// Identifier of the deleted object.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    /// `key`, `user` or `tenant`.
    pub kind: String,
    /// The tenant that the object belonged to; a tenant's own identifier.
    pub tenant_id: Uuid,
    /// Slug of a tenant.
    pub slug: Option<String>,
    /// Hash of a key's value.
    pub hash: Option<Vec<u8>>,
    /// Subject that deleted the object.
    pub actor: String,
    pub deleted_at: i64,
    pub revision: i64,
}

/// Shows only the identifier, since hashes must not appear in a log.
impl std::fmt::Debug for Model {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("deletion::Model").field("id", &self.id).finish_non_exhaustive()
    }
}

/// No relations: queries write their joins themselves.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
