//! Stored calls that passed and would have been denied, as they are read.

use latchkey_core::ports::shadow::{ShadowCount, ShadowEntry};
use latchkey_core::ports::usage::Hour;
use uuid::Uuid;

/// Which lines are asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ShadowFilter {
    /// One profile's; none: every one's.
    pub profile: Option<Box<str>>,
    /// One tenant's; none: every one's, and those of nobody.
    pub tenant: Option<Uuid>,
    /// The hour of this and later ones.
    pub from: Option<Hour>,
    /// So many at most.
    pub limit: u32,
    /// Behind so many.
    pub offset: u64,
}

/// A line as it is told: summed over hours and replicas.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShadowTotal {
    /// Who, where and why.
    pub entry: ShadowEntry,
    /// How often, and when last.
    pub count: ShadowCount,
    /// The tenant's slug, where it is there.
    pub tenant_slug: String,
    /// The key's name or the user's address, where they are there.
    pub subject_name: String,
}
