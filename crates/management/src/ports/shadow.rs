//! Stored counts of calls that were allowed because of shadow mode, as they are read.

use latchkey_core::ports::shadow::{ShadowCount, ShadowEntry};
use latchkey_core::ports::usage::Hour;
use latchkey_core::reason::StoredReason;
use uuid::Uuid;

/// Filter and page of a shadow report.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ShadowFilter {
    /// Profile; `None` for all.
    pub profile: Option<Box<str>>,
    /// Tenant; `None` for all, including calls without a known tenant.
    pub tenant: Option<Uuid>,
    /// First hour, inclusive.
    pub from: Option<Hour>,
    /// Greatest number of lines.
    pub limit: u32,
    /// Number of lines to skip.
    pub offset: u64,
}

/// Line of a shadow report, summed over hours and replicas.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShadowTotal {
    /// Subject, route and reason of the calls.
    pub entry: ShadowEntry<StoredReason>,
    /// Number of calls and time of the last one.
    pub count: ShadowCount,
    /// Slug of the tenant; empty if it is unknown.
    pub tenant_slug: String,
    /// Name of the key or e-mail address of the user; empty if it is unknown.
    pub subject_name: String,
}
