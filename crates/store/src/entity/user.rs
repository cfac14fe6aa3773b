//! Users, with the hashes of their passwords.

use std::fmt;

use sea_orm::entity::prelude::*;

/// A row.
#[derive(Clone, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "users")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub tenant_id: Uuid,
    /// E-mail address in lower case.
    pub email: String,
    /// `$argon2id$…`.
    pub password: String,
    pub role: String,
    /// A JSON object of strings.
    pub bindings: String,
    /// Null if the user may use every environment.
    pub environment: Option<String>,
    pub disabled: bool,
    pub generation: i64,
    /// Unused, as is the next column: see `login_histories`.
    pub failed: i32,
    pub failed_at: i64,
    pub created_at: i64,
    pub revision: i64,
}

/// Shows only the identifier, since secrets must not appear in a log.
impl fmt::Debug for Model {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("user::Model").field("id", &self.id).finish_non_exhaustive()
    }
}

/// No relations: queries write their joins themselves.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
