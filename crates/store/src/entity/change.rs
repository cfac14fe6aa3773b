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
    /// Access that the change took away: `revoked`, `suspended`, `disabled`, `restricted`, `ended` or `withdrawn:ID`;
    /// null if it took none away.
    pub effect: Option<String>,
    /// Hash of the audit chain after the write; null in rows of releases that did not record it.
    pub history: Option<Vec<u8>>,
}

/// No relations: queries write their joins themselves.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
