//! Every write, one file per subject. Each has the same shape: lock what is to change, let the rule decide
//! on it, write, and last leave an entry (see [`crate::journal`]) and commit. What returns early has its
//! transaction rolled back where the connection is dropped.

pub(crate) mod bootstrap;
pub(crate) mod change;
pub(crate) mod create;
pub(crate) mod family;
mod insert;
pub(crate) mod profile;
pub(crate) mod sealed_values;
pub(crate) mod shadow;
pub(crate) mod signing_key;
pub(crate) mod tenant;
pub(crate) mod usage;
pub(crate) mod user;
