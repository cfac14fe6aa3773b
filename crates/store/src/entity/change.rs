//! The change feed.

use sea_orm::entity::prelude::*;

/// A row.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "changes")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub revision: i64,
    /// What kind of thing changed: `key`, `tenant`, `profile`, `user`, `family` or `signing_keys`.
    pub kind: String,
    /// Which: a hash in hexadecimal, an identifier, a name.
    pub subject: String,
}

/// None is followed: queries join by themselves.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
