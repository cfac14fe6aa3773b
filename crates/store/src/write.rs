//! Writes, one file for each subject. All have the same shape: lock the rows to change, let the rule decide on
//! them, write, append to the journal (see [`crate::journal`]) and commit. If a write returns early, its
//! transaction is rolled back when the connection is dropped.

pub(crate) mod bootstrap;
pub(crate) mod bulk;
pub(crate) mod change;
pub(crate) mod create;
pub(crate) mod delete;
pub(crate) mod delete_profile;
pub(crate) mod delete_tenant;
mod erase;
pub(crate) mod family;
mod family_limit;
pub(crate) mod insert;
pub(crate) mod login;
pub(crate) mod profile;
pub(crate) mod profile_secret;
pub(crate) mod reapply;
pub(crate) mod sealed_values;
pub(crate) mod shadow;
pub(crate) mod signing_key;
pub(crate) mod stored;
pub(crate) mod tenant;
pub(crate) mod token_event;
pub(crate) mod usage;
pub(crate) mod usage_minute;
pub(crate) mod user;
