//! Number of a key's calls by minute and outcome, for the last hour.

use sea_orm::entity::prelude::*;

/// A row.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "key_usage_minutes")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub key_id: Uuid,
    /// Minutes since the epoch.
    #[sea_orm(primary_key, auto_increment = false)]
    pub minute: i64,
    /// `OK`, or the reason of the denial.
    #[sea_orm(primary_key, auto_increment = false)]
    pub reason: String,
    pub calls: i64,
}

/// No relations: queries write their joins themselves.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
