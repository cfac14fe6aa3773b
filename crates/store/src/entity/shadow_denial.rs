//! Calls of an hour that passed and would have been denied alike.

use sea_orm::entity::prelude::*;

/// A row.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "shadow_denials")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub profile: String,
    /// Nil: nobody was recognised.
    #[sea_orm(primary_key, auto_increment = false)]
    pub tenant_id: Uuid,
    #[sea_orm(primary_key, auto_increment = false)]
    pub subject_id: Uuid,
    /// `key`, `user`, or nothing.
    #[sea_orm(primary_key, auto_increment = false)]
    pub subject_type: String,
    /// Methods and path; nothing: no route.
    #[sea_orm(primary_key, auto_increment = false)]
    pub route: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub reason: String,
    /// Missing scopes, or the empty bucket.
    #[sea_orm(primary_key, auto_increment = false)]
    pub detail: String,
    /// Hours since the epoch.
    #[sea_orm(primary_key, auto_increment = false)]
    pub hour: i64,
    pub calls: i64,
    pub last_at: i64,
}

/// None is followed.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
