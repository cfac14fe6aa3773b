//! The change feed.

use sea_orm::entity::prelude::*;

/// A row.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "changes")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub revision: i64,
    /// Kind of the changed object: `key`, `tenant`, `profile`, `user`, `family` or `signing_keys`.
    pub kind: String,
    /// Identity of the changed object: a hash in hexadecimal, an identifier or a name.
    pub subject: String,
}

/// No relations: queries write their joins themselves.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
