//! Keys, without their values.

use std::fmt;

use sea_orm::entity::prelude::*;

/// A row.
#[derive(Clone, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "keys")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub tenant_id: Uuid,
    pub hash: Vec<u8>,
    pub name: String,
    pub kind: String,
    pub environment: String,
    pub prefix: String,
    pub hint: String,
    /// A JSON object of strings.
    pub bindings: String,
    /// A JSON array of networks.
    pub networks: String,
    /// JSON, see `row::limits`.
    pub limits: String,
    /// A JSON object of strings.
    pub metadata: String,
    /// `active`, `disabled` or `revoked`.
    pub state: String,
    pub revoked_at: Option<i64>,
    pub revoke_reason: Option<String>,
    pub created_at: i64,
    pub created_by: String,
    pub expires_at: Option<i64>,
    pub rotated_from: Option<Uuid>,
    pub rotated_to: Option<Uuid>,
    pub bucket_key: Option<Uuid>,
    pub sealed: Option<Vec<u8>>,
    pub last_used_at: Option<i64>,
    pub idempotency_key: Option<String>,
    pub idempotency_hash: Option<Vec<u8>>,
    pub revision: i64,
}

/// Shows only the identifier, since hashes and sealed values must not appear in a log.
impl fmt::Debug for Model {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("key::Model").field("id", &self.id).finish_non_exhaustive()
    }
}

/// No relations: queries write their joins themselves.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
