//! Failed logins and known addresses of an account. Of the two rows that a login needs, one is the address's, and one
//! counts for all addresses.

use sea_orm::entity::prelude::*;

/// A row.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "login_histories")]
pub(crate) struct Model {
    /// Hash of the tenant and the e-mail address as they were sent.
    #[sea_orm(primary_key, auto_increment = false)]
    pub account: Vec<u8>,
    /// Hash of the account and the address; zeros for all addresses.
    #[sea_orm(primary_key, auto_increment = false)]
    pub address: Vec<u8>,
    /// Time at which all failures are forgiven.
    pub clear_at: i64,
    /// Time until which the user is known to log in from the address; 0 if that never happened.
    pub known_until: i64,
    /// Time from which the row is obsolete and can be deleted.
    pub ends_at: i64,
}

/// No relations: queries write their joins themselves.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
