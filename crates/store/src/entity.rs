//! sea-orm entities, one file for each table. A row holds only what is stored; [`crate::row`] validates it and
//! converts it into a record.

pub(crate) mod audit_event;
pub(crate) mod change;
pub(crate) mod deletion;
pub(crate) mod family;
pub(crate) mod grant;
pub(crate) mod head;
pub(crate) mod key;
pub(crate) mod key_last_use;
pub(crate) mod key_scope_use;
pub(crate) mod key_usage;
pub(crate) mod key_usage_minute;
pub(crate) mod login_history;
pub(crate) mod master_key_mark;
pub(crate) mod profile;
pub(crate) mod profile_secret;
pub(crate) mod refresh;
pub(crate) mod shadow_denial;
pub(crate) mod signing_key;
pub(crate) mod tenant;
pub(crate) mod usage_recorder;
pub(crate) mod user;
