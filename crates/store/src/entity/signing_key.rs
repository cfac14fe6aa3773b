//! Keys that sign access tokens, sealed.

use std::fmt;

use sea_orm::entity::prelude::*;

/// A row.
#[derive(Clone, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "signing_keys")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    pub profile: String,
    pub algorithm: String,
    pub sealed: Vec<u8>,
    pub created_at: i64,
    pub signs_from: i64,
    pub signs_until: Option<i64>,
    pub longest_seconds: i64,
    pub withdrawn_at: Option<i64>,
}

/// Shows only the identifier, since secrets must not appear in a log.
impl fmt::Debug for Model {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("signing_key::Model").field("id", &self.id).finish_non_exhaustive()
    }
}

/// No relations: queries write their joins themselves.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
