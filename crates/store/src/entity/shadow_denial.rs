//! Number of calls by hour that were allowed but would have been denied, grouped by subject, route and reason.

use sea_orm::entity::prelude::*;

/// A row.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "shadow_denials")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub profile: String,
    /// The nil UUID if no principal was recognized.
    #[sea_orm(primary_key, auto_increment = false)]
    pub tenant_id: Uuid,
    #[sea_orm(primary_key, auto_increment = false)]
    pub subject_id: Uuid,
    /// `key`, `user`, or empty.
    #[sea_orm(primary_key, auto_increment = false)]
    pub subject_type: String,
    /// Methods and path; empty if no route matched.
    #[sea_orm(primary_key, auto_increment = false)]
    pub route: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub reason: String,
    /// Missing scopes, or the exhausted bucket.
    #[sea_orm(primary_key, auto_increment = false)]
    pub detail: String,
    /// Hours since the epoch.
    #[sea_orm(primary_key, auto_increment = false)]
    pub hour: i64,
    pub calls: i64,
    pub last_at: i64,
}

/// No relations: queries write their joins themselves.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
