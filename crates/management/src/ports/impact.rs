//! Keys, users and tenants that a change of a profile affects, as the store counts them.

use latchkey_core::profile_change::AffectedRecords;

/// Largest number that is counted exactly, so that the cost of a count is bounded.
pub const MAX_COUNT: u64 = 100_000;
/// Number of examples.
pub const MAX_EXAMPLES: u32 = 5;

/// Keys, users or tenants that a change affects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Impact {
    /// Condition by which they were found.
    pub affected: AffectedRecords,
    /// Number of them, at most [`MAX_COUNT`].
    pub count: u64,
    /// True if there are more than `count`.
    pub more: bool,
    /// Some of them, at most [`MAX_EXAMPLES`].
    pub examples: Vec<ImpactExample>,
}

/// Key, user or tenant that a change affects.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ImpactExample {
    /// Identifier.
    pub id: String,
    /// Name of the key, e-mail address of the user, or display name of the tenant.
    pub name: String,
    /// Slug of the tenant.
    pub tenant: String,
}
