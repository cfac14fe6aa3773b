//! Refresh tokens, by their hashes.

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
    /// This and the next two are set together.
    pub spent_at: Option<i64>,
    /// Sealed.
    pub successor: Option<Vec<u8>>,
    pub successor_scopes: Option<String>,
}

/// The family alone: hashes and sealed values have no business in a log.
impl fmt::Debug for Model {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("refresh::Model").field("family_id", &self.family_id).finish_non_exhaustive()
    }
}

/// None is followed: queries join by themselves.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
