//! Token families. Each belongs to a key or to a user.

use std::fmt;

use sea_orm::entity::prelude::*;

/// A row.
#[derive(Clone, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "token_families")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub tenant_id: Uuid,
    /// Set if the family belongs to a key; otherwise the next column is set.
    pub key_id: Option<Uuid>,
    pub user_id: Option<Uuid>,
    pub generation: i64,
    pub audience: String,
    pub ttl_seconds: i64,
    pub created_at: i64,
    pub ends_at: i64,
    pub ended_at: Option<i64>,
}

/// Shows only the identifier, since secrets must not appear in a log.
impl fmt::Debug for Model {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("family::Model").field("id", &self.id).finish_non_exhaustive()
    }
}

/// No relations: queries write their joins themselves.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
