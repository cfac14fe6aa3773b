//! Change of the master key. A start is rejected if a master key was in use that is not configured. Values that are
//! encrypted with a previous master key can be rewrapped while servers run, in batches; each value is replaced only
//! if it is unchanged since it was read. A run that is interrupted can be repeated.

use std::collections::BTreeMap;

use latchkey_core::error::SystemError;
use latchkey_core::seal::{Sealer, UnsealError};
use latchkey_core::time::Timestamp;
use rand::RngExt as _;
use rand::rngs::StdRng;
use uuid::Uuid;

use crate::ports::sealed_values::{KeyCheckValue, Replacement, SealedTable, SealedValue, SealedValueStore};
use crate::ports::{AuditAction, AuditEntry};

/// Number of values that are read and replaced at once.
const BATCH_SIZE: u32 = 100;
/// Greatest number of passes over all values. The last pass must find nothing to do; a server that still encrypts
/// with a previous key can prevent that.
const MAX_PASSES: usize = 4;
/// Text of a key check value; its content is irrelevant, only that it can be decrypted.
const CHECK_TEXT: &[u8] = b"master key";

/// Checks and rewraps encrypted values.
pub struct MasterKeyRotation<'a, S: ?Sized> {
    /// Store of the values.
    pub store: &'a S,
    /// Current and previous master keys.
    pub sealer: &'a Sealer,
}

/// Result of rewrapping the values of one table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RewrapCounts {
    /// Values that were encrypted with the current key in the last pass.
    pub current: u64,
    /// Values that were rewrapped.
    pub rewrapped: u64,
    /// Values that were removed.
    pub cleared: u64,
    /// Values that are encrypted with a previous key in spite of all passes: a server still encrypts with it.
    pub stale: u64,
    /// Values that no configured key decrypts.
    pub unreadable: u64,
}

/// Result of rewrapping all tables.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RewrapReport(pub [RewrapCounts; 4]);

impl RewrapReport {
    /// Returns the number of values that are not encrypted with the current master key.
    #[must_use]
    pub fn remaining(&self) -> u64 {
        self.0.iter().map(|count| count.unreadable + count.stale).sum()
    }

    fn total(&self, of: impl Fn(&RewrapCounts) -> u64) -> u64 {
        self.0.iter().map(of).sum()
    }
}

fn owner(value: Uuid) -> String {
    format!("master key {value}")
}

impl<S: SealedValueStore + ?Sized> MasterKeyRotation<'_, S> {
    /// Returns true if there are encrypted values.
    pub async fn has_sealed_values(&self) -> Result<bool, SystemError> {
        if !self.store.key_check_values().await?.is_empty() {
            return Ok(true);
        }
        Ok(!self.store.sealed_tables().await?.is_empty())
    }

    /// Returns true if the configured keys are the ones that values are encrypted with. In a database that is older
    /// than key check values, the values themselves are tried: the keys are wrong if they decrypt none of a table's
    /// values.
    pub async fn keys_match(&self) -> Result<bool, SystemError> {
        let values = self.store.key_check_values().await?;
        if !values.is_empty() {
            return Ok(values.iter().all(|value| self.sealer.open(&value.sealed, &owner(value.id)).is_ok()));
        }
        for table in self.store.sealed_tables().await? {
            if !self.opens_any(table).await? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Returns true if the keys decrypt any of the first needed values of a table, or if it has none.
    async fn opens_any(&self, table: SealedTable) -> Result<bool, SystemError> {
        let mut after: Option<Vec<u8>> = None;
        loop {
            let values = self.store.sealed(table, after.as_deref(), BATCH_SIZE).await?;
            let mut needed = values.iter().filter(|value| value.needed).peekable();
            if needed.peek().is_some() {
                return Ok(needed.any(|value| self.sealer.open(&value.sealed, &value.owner).is_ok()));
            }
            match values.into_iter().last() {
                None => return Ok(true),
                Some(last) => after = Some(last.row),
            }
        }
    }

    /// Ensures that the current master key has a key check value; returns true if all key check values can be
    /// decrypted.
    pub async fn ensure_key_check_value(&self, random: &mut StdRng) -> Result<bool, SystemError> {
        let values = self.store.key_check_values().await?;
        if !values.iter().any(|value| self.is_own(value)) {
            let id = Uuid::from_u128(random.random());
            let sealed = self.sealer.seal(CHECK_TEXT, &owner(id), random).map_err(seal_error)?;
            self.store.insert_key_check_value(KeyCheckValue { id, sealed }).await?;
        }
        Ok(values.iter().all(|value| self.sealer.open(&value.sealed, &owner(value.id)).is_ok()))
    }

    fn is_own(&self, value: &KeyCheckValue) -> bool {
        self.sealer.is_current(&value.sealed, &owner(value.id))
    }

    /// Encrypts all values with the current master key, and removes those that are not needed. With `forget`, values
    /// that no key decrypts are removed too. Key check values of other keys are deleted when no value is encrypted
    /// with those keys.
    pub async fn rewrap(
        &self,
        forget: bool,
        now: Timestamp,
        random: &mut StdRng,
    ) -> Result<RewrapReport, SystemError> {
        self.ensure_key_check_value(random).await?;
        let mut done = RewrapReport::default();
        for _ in 0..MAX_PASSES {
            let mut idle = true;
            for (table, count) in SealedTable::ALL.into_iter().zip(&mut done.0) {
                let pass = self.rewrap_table(table, forget, random).await?;
                idle &= pass.rewrapped + pass.cleared + pass.stale == 0;
                count.rewrapped += pass.rewrapped;
                count.cleared += pass.cleared;
                // Values that had to be rewrapped in the last pass count as stale: more of them can follow.
                (count.current, count.unreadable, count.stale) =
                    (pass.current, pass.unreadable, pass.stale + pass.rewrapped);
            }
            if idle {
                break;
            }
        }
        let others = if done.remaining() > 0 { Vec::new() } else { self.store.key_check_values().await? };
        let gone: Vec<Uuid> =
            others.iter().filter(|value| !self.is_own(value)).map(|value| value.id).collect();
        if !gone.is_empty() || done.total(|count| count.rewrapped + count.cleared) > 0 {
            self.store.finish_rewrap(gone, entry(&done, now)).await?;
        }
        Ok(done)
    }

    /// Makes one pass over a table.
    async fn rewrap_table(
        &self,
        table: SealedTable,
        forget: bool,
        random: &mut StdRng,
    ) -> Result<RewrapCounts, SystemError> {
        let (mut count, mut after) = (RewrapCounts::default(), None::<Vec<u8>>);
        loop {
            let values = self.store.sealed(table, after.as_deref(), BATCH_SIZE).await?;
            let Some(last) = values.last().map(|value| value.row.clone()) else { return Ok(count) };
            after = Some(last);
            let (mut rewrapped, mut cleared) = (Vec::new(), Vec::new());
            for value in values {
                let SealedValue { row, owner, sealed, needed } = value;
                let to = |list: &mut Vec<Replacement>, after| {
                    list.push(Replacement { row: row.clone(), before: sealed.clone(), after });
                };
                if !needed {
                    to(&mut cleared, None);
                } else if self.sealer.is_current(&sealed, &owner) {
                    count.current += 1;
                } else if let Ok(plain) = self.sealer.open(&sealed, &owner) {
                    let new_key = self.sealer.seal(plain.reveal().as_bytes(), &owner, random);
                    to(&mut rewrapped, Some(new_key.map_err(seal_error)?));
                } else if forget {
                    to(&mut cleared, None);
                } else {
                    count.unreadable += 1;
                }
            }
            for (list, done) in [(rewrapped, &mut count.rewrapped), (cleared, &mut count.cleared)] {
                let requested = list.len() as u64;
                let replaced = self.replace(table, list).await?;
                *done += replaced;
                count.stale += requested - replaced.min(requested);
            }
        }
    }

    async fn replace(&self, table: SealedTable, list: Vec<Replacement>) -> Result<u64, SystemError> {
        if list.is_empty() { Ok(0) } else { self.store.replace(table, list).await }
    }
}

fn seal_error(_: UnsealError) -> SystemError {
    SystemError::Internal("a value could not be encrypted".into())
}

/// Makes the audit entry. Only someone with the database and the master keys can do this, so the actor is the program
/// itself.
fn entry(done: &RewrapReport, now: Timestamp) -> AuditEntry {
    let counts = [
        ("rewrapped", done.total(|count| count.rewrapped)),
        ("cleared", done.total(|count| count.cleared)),
        ("left", done.remaining()),
    ];
    AuditEntry {
        time: now,
        tenant: None,
        actor: "latchkey".to_owned(),
        caller: None,
        action: AuditAction::MasterKeyRewrap,
        target: "master_key".to_owned(),
        request_id: "rewrap".to_owned(),
        details: BTreeMap::from(counts.map(|(name, count)| (name.to_owned(), count.to_string()))),
    }
}
