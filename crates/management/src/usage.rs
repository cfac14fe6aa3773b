//! Who used a key, when and for what: what the ledger has, and what this replica has not written down yet.

use std::collections::BTreeMap;
use std::sync::Arc;

use latchkey_core::error::{ManagementError, RequestError, SystemError};
use latchkey_core::ports::usage::{CallCounts, Hour, HourRange, KeyUseTotals};
use latchkey_core::record::KeyRecord;
use latchkey_core::time::Timestamp;
use latchkey_core::usage::UsageTracker;

use super::{Caller, ManagementService};
use crate::ports::usage::UsageStore;

/// Which key's hours; the fields are those of `latchkey.v1.GetKeyUsageRequest`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GetKeyUsage {
    /// Which.
    pub id: String,
    /// The hour of this moment and later ones.
    pub from: Option<Timestamp>,
    /// Hours that begin before this moment.
    pub until: Option<Timestamp>,
}

/// What is seen of a key's use beside the key itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyUseSummary {
    /// When it last passed.
    pub last: Option<Timestamp>,
    /// Scopes that it has and never needed.
    pub unused: Vec<Box<str>>,
}

/// A key's use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyUsage {
    /// Hours with use, oldest first.
    pub hours: BTreeMap<Hour, CallCounts>,
    /// In all.
    pub summary: KeyUseSummary,
}

/// Tells of use.
pub struct UsageReader {
    management: Arc<ManagementService>,
    usage: Arc<UsageTracker>,
    store: Arc<dyn UsageStore>,
}

/// How often the ledger is asked again, where it was written to in between.
const TRIES: u32 = 5;

impl UsageReader {
    /// A desk of these parts.
    #[must_use]
    pub fn new(
        management: Arc<ManagementService>,
        usage: Arc<UsageTracker>,
        store: Arc<dyn UsageStore>,
    ) -> Self {
        Self { management, usage, store }
    }

    pub(super) fn management(&self) -> &ManagementService {
        &self.management
    }

    pub(super) fn store(&self) -> &dyn UsageStore {
        &*self.store
    }

    /// A key's calls by hour.
    pub async fn key_usage(
        &self,
        caller: &Caller,
        request: GetKeyUsage,
    ) -> Result<KeyUsage, ManagementError> {
        let (key, _) = self.management.managed_key(caller, &request.id).await?;
        if request.from.zip(request.until).is_some_and(|(from, until)| until <= from) {
            return Err(RequestError::field("end_time", "must be later than start_time").into());
        }
        let last = request.until.map(|until| Hour::of(Timestamp(until.0.saturating_sub(1))));
        let span = HourRange { from: request.from.map(Hour::of), last };
        let summary = self.summaries(std::slice::from_ref(&key)).await?.pop().unwrap_or_default();
        for _ in 0..TRIES {
            let stored = self.store.hours(self.usage.recorder(), key.id, span).await?;
            if let Some(whole) = self.usage.merge_into(key.id, span, stored) {
                return Ok(KeyUsage { hours: whole.hours, summary });
            }
        }
        // Written to faster than it can be read: nobody is that fast for long.
        Err(SystemError::database().into())
    }

    /// What is seen of the use of keys that the caller was shown already, in their order.
    pub async fn summaries(&self, keys: &[KeyRecord]) -> Result<Vec<KeyUseSummary>, SystemError> {
        // First: what is written in between is then in the ledger as well, and adding it twice changes nothing.
        let known: Vec<KeyUseTotals> = keys.iter().map(|key| self.usage.local_totals(key.id)).collect();
        let ids: Vec<_> = keys.iter().map(|key| key.id).collect();
        let mut stored = self.store.uses(&ids).await?;
        let summary = |(key, known): (&KeyRecord, KeyUseTotals)| {
            let mut all = stored.remove(&key.id).unwrap_or_default();
            all.add(&known);
            let unused = key.scopes.iter().filter(|scope| !all.scopes.contains(*scope)).cloned().collect();
            KeyUseSummary { last: all.last, unused }
        };
        Ok(keys.iter().zip(known).map(summary).collect())
    }
}
