//! Usage of keys, from the store and from what this replica has not stored yet.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use latchkey_core::error::{ManagementError, SystemError};
use latchkey_core::id::TenantId;
use latchkey_core::policy::Policy;
use latchkey_core::ports::usage::{CallCounts, Hour, HourRange, KeyUseTotals, Minute};
use latchkey_core::record::{KeyRecord, TenantRecord};
use latchkey_core::time::Timestamp;
use latchkey_core::usage::UsageTracker;

use super::field_validator::FieldValidator;
use super::{Caller, ManagementService};
use crate::ports::usage::{UsageFilter, UsageGroup, UsageStore};

/// Key and hours to read; the fields are those of `latchkey.v1.GetKeyUsageRequest`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GetKeyUsage {
    /// Identifier of the key.
    pub id: String,
    /// Time in the first hour; `None` for the oldest.
    pub from: Option<Timestamp>,
    /// End: only hours that begin before this time; `None` for the newest.
    pub until: Option<Timestamp>,
    /// Number of minutes to read besides, the present one included: 1 to 60, or 0 for none.
    pub minutes: i32,
}

/// Summary of a key's usage.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyUseSummary {
    /// Time of the last allowed call.
    pub last: Option<Timestamp>,
    /// Scopes that the key has and has never needed.
    pub unused: Vec<Box<str>>,
}

/// Usage of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyUsage {
    /// Hours with calls, oldest first.
    pub hours: BTreeMap<Hour, CallCounts>,
    /// Minutes with calls that were asked for, oldest first.
    pub minutes: Vec<(Minute, CallCounts)>,
    /// Totals.
    pub summary: KeyUseSummary,
}

/// Reads the usage of keys.
pub struct UsageReader {
    management: Arc<ManagementService>,
    usage: Arc<UsageTracker>,
    store: Arc<dyn UsageStore>,
}

/// Number of attempts to read hours that are written to at the same time.
const TRIES: u32 = 5;

impl UsageReader {
    /// Creates a reader from its dependencies.
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

    /// Stores what this replica has counted until now, so that a report includes it. The server stores counts too, at
    /// intervals; a batch that both write is stored once.
    pub(super) async fn flush(&self) -> Result<(), SystemError> {
        // Twice: batches that were waiting, and counts that were added since.
        for _ in 0..2 {
            let now = self.management.parts.clock.now().wall;
            self.usage.collect(now);
            while let Some(batch) = self.usage.next_batch() {
                self.store.add(self.usage.recorder(), &batch, now).await?;
                self.usage.mark_written(batch.number);
            }
        }
        Ok(())
    }

    /// Reads a key's calls by hour, and by minute if minutes are asked for.
    pub async fn key_usage(
        &self,
        caller: &Caller,
        request: GetKeyUsage,
    ) -> Result<KeyUsage, ManagementError> {
        let (key, _) = self.management.managed_key(caller, &request.id).await?;
        let mut fields = FieldValidator::new("");
        if request.from.zip(request.until).is_some_and(|(from, until)| until <= from) {
            fields.reject("end_time", "must be later than start_time");
        }
        let first = self.first_minute(request.minutes, &mut fields);
        fields.finish()?;
        let last = request.until.map(|until| Hour::of(Timestamp(until.0.saturating_sub(1))));
        let span = HourRange { from: request.from.map(Hour::of), last };
        let minutes = match first {
            Some(first) => self.minutes(&key, first).await?,
            None => Vec::new(),
        };
        let summary = self.summaries(std::slice::from_ref(&key)).await?.pop().unwrap_or_default();
        for _ in 0..TRIES {
            let stored = self.store.hours(self.usage.recorder(), key.id, span).await?;
            if let Some(whole) = self.usage.merge_into(key.id, span, stored) {
                return Ok(KeyUsage { hours: whole.hours, minutes, summary });
            }
        }
        // The hours were written to during every attempt, which does not happen for long.
        Err(SystemError::database().into())
    }

    /// Returns the first of the last minutes of a number, the present one included; `None` for 0.
    pub(super) fn first_minute(&self, number: i32, fields: &mut FieldValidator<'_>) -> Option<Minute> {
        match u32::try_from(number) {
            Ok(0) => None,
            Ok(number) if number <= Minute::KEPT => {
                let now = Minute::of(self.management.parts.clock.now().wall);
                Some(Minute(now.0 + 1 - i64::from(number)))
            }
            Ok(_) | Err(_) => {
                let most = Minute::KEPT;
                let text = format!("must be 1 to {most} minutes, or 0 for none, and is {number}");
                fields.reject("recent_minutes", text);
                None
            }
        }
    }

    /// Reads a key's calls by minute.
    async fn minutes(
        &self,
        key: &KeyRecord,
        first: Minute,
    ) -> Result<Vec<(Minute, CallCounts)>, SystemError> {
        self.flush().await?;
        let which = UsageFilter { key: Some(key.id), minutes: Some(first), ..UsageFilter::default() };
        let lines = self.store.report(&which, UsageGroup::Minute, 0).await?;
        Ok(lines.into_iter().filter_map(|line| Some((line.minute?, line.counts))).collect())
    }

    /// Returns the usage of keys, in the same order. The caller must have access to the keys.
    pub async fn summaries(&self, keys: &[KeyRecord]) -> Result<Vec<KeyUseSummary>, SystemError> {
        // Local totals are read first: calls that are stored in between are in the store as well, and adding them
        // twice changes nothing.
        let known: Vec<KeyUseTotals> = keys.iter().map(|key| self.usage.local_totals(key.id)).collect();
        let ids: Vec<_> = keys.iter().map(|key| key.id).collect();
        let mut stored = self.store.uses(&ids).await?;
        let mut used = Vec::with_capacity(keys.len());
        for (key, known) in keys.iter().zip(known) {
            let mut all = stored.remove(&key.id).unwrap_or_default();
            all.add(&known);
            used.push((key, all));
        }
        let policies = self.policies_of_renamed(&used).await?;
        let summary = |(key, all): &(&KeyRecord, KeyUseTotals)| {
            let is_used = |scope: &str| {
                let same = |policy: &Arc<Policy>| {
                    let found = policy.scopes.find(scope);
                    found.is_some() && all.scopes.iter().any(|used| policy.scopes.find(used) == found)
                };
                all.scopes.contains(scope) || policies.get(&key.tenant).is_some_and(same)
            };
            let unused = key.scopes.iter().filter(|scope| !is_used(scope)).cloned().collect();
            KeyUseSummary { last: all.last, unused }
        };
        Ok(used.iter().map(summary).collect())
    }

    /// Returns the policies of keys that have used a scope under another name than their own: the profile has renamed a
    /// scope, and has the other name as an alias.
    async fn policies_of_renamed(
        &self,
        used: &[(&KeyRecord, KeyUseTotals)],
    ) -> Result<HashMap<TenantId, Arc<Policy>>, SystemError> {
        let renamed =
            used.iter().filter(|(key, all)| all.scopes.iter().any(|used| !key.scopes.contains(used)));
        let ids: BTreeSet<TenantId> = renamed.map(|(key, _)| key.tenant).collect();
        if ids.is_empty() {
            return Ok(HashMap::new());
        }
        let ids: Vec<TenantId> = ids.into_iter().collect();
        let tenants = self.management.parts.store.tenants_by_id(&ids).await?;
        let policy = |tenant: TenantRecord| Some((tenant.id, self.management.policy_of(&tenant).ok()?));
        Ok(tenants.into_iter().filter_map(policy).collect())
    }
}
