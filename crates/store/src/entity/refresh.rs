//! Refresh tokens, identified by their hashes.

use std::fmt;

use sea_orm::entity::prelude::*;

/// A row.
#[derive(Clone, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "refresh_tokens")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub hash: Vec<u8>,
    pub family_id: Uuid,
    /// A JSON array of strings.
    pub scopes: String,
    /// Set together with the next two columns when the token is used.
    pub spent_at: Option<i64>,
    /// The successor token, sealed.
    pub successor: Option<Vec<u8>>,
    pub successor_scopes: Option<String>,
}

/// Shows only the family, since hashes and sealed values must not appear in a log.
impl fmt::Debug for Model {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("refresh::Model").field("family_id", &self.family_id).finish_non_exhaustive()
    }
}

/// No relations: queries write their joins themselves.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
