//! Who used a key, when and for what: what the ledger has, and what this replica has not written down yet.

use std::collections::BTreeMap;
use std::sync::Arc;

use latchkey_core::ports::usage::{Calls, Hour, HourSpan, KeyUse};
use latchkey_core::record::KeyRecord;
use latchkey_core::time::Timestamp;
use latchkey_core::trouble::{Failure, Refusal, Trouble};
use latchkey_core::usage::Usage;

use super::{Caller, Registrar};
use crate::ports::usage::UsageLedger;

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
pub struct Seen {
    /// When it last passed.
    pub last: Option<Timestamp>,
    /// Scopes that it has and never needed.
    pub unused: Vec<Box<str>>,
}

/// A key's use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyUsage {
    /// Hours with use, oldest first.
    pub hours: BTreeMap<Hour, Calls>,
    /// In all.
    pub seen: Seen,
}

/// Tells of use.
pub struct UsageDesk {
    registrar: Arc<Registrar>,
    usage: Arc<Usage>,
    ledger: Arc<dyn UsageLedger>,
}

/// How often the ledger is asked again, where it was written to in between.
const TRIES: u32 = 5;

impl UsageDesk {
    /// A desk of these parts.
    #[must_use]
    pub fn new(registrar: Arc<Registrar>, usage: Arc<Usage>, ledger: Arc<dyn UsageLedger>) -> Self {
        Self { registrar, usage, ledger }
    }

    pub(super) fn registrar(&self) -> &Registrar {
        &self.registrar
    }

    pub(super) fn ledger(&self) -> &dyn UsageLedger {
        &*self.ledger
    }

    /// A key's calls by hour.
    pub async fn key_usage(&self, by: &Caller, ask: GetKeyUsage) -> Result<KeyUsage, Failure> {
        let (key, _) = self.registrar.managed_key(by, &ask.id).await?;
        if ask.from.zip(ask.until).is_some_and(|(from, until)| until <= from) {
            return Err(Refusal::field("end_time", "must be later than start_time").into());
        }
        let last = ask.until.map(|until| Hour::of(Timestamp(until.0.saturating_sub(1))));
        let span = HourSpan { from: ask.from.map(Hour::of), last };
        let seen = self.seen(std::slice::from_ref(&key)).await?.pop().unwrap_or_default();
        for _ in 0..TRIES {
            let stored = self.ledger.hours(self.usage.recorder(), key.id, span).await?;
            if let Some(whole) = self.usage.complete(key.id, span, stored) {
                return Ok(KeyUsage { hours: whole.hours, seen });
            }
        }
        // Written to faster than it can be read: nobody is that fast for long.
        Err(Trouble::database().into())
    }

    /// What is seen of the use of keys that the caller was shown already, in their order.
    pub async fn seen(&self, keys: &[KeyRecord]) -> Result<Vec<Seen>, Trouble> {
        // First: what is written in between is then in the ledger as well, and adding it twice changes nothing.
        let known: Vec<KeyUse> = keys.iter().map(|key| self.usage.known(key.id)).collect();
        let ids: Vec<_> = keys.iter().map(|key| key.id).collect();
        let mut stored = self.ledger.uses(&ids).await?;
        let seen = |(key, known): (&KeyRecord, KeyUse)| {
            let mut all = stored.remove(&key.id).unwrap_or_default();
            all.add(&known);
            let unused = key.scopes.iter().filter(|scope| !all.scopes.contains(*scope)).cloned().collect();
            Seen { last: all.last, unused }
        };
        Ok(keys.iter().zip(known).map(seen).collect())
    }
}
