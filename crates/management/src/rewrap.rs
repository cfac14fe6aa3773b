//! Changing the master key. A start is refused where a master key was in use that it wasn't given; and everything
//! that lies under an earlier one can be sealed anew, while servers run: piece by piece, each value only if it is
//! still the one that was read. Whoever is killed in the middle begins again.

use std::collections::BTreeMap;

use latchkey_core::error::SystemError;
use latchkey_core::seal::{Sealer, UnsealError};
use latchkey_core::time::Timestamp;
use rand::RngExt as _;
use rand::rngs::StdRng;
use uuid::Uuid;

use crate::ports::AuditEntry;
use crate::ports::sealed_values::{KeyCheckValue, Replacement, SealedTable, SealedValue, SealedValueStore};

/// Values that are read and replaced at once.
const BATCH_SIZE: u32 = 100;
/// Looks at everything: the last must find nothing to do. A server that still seals under an earlier key can keep it
/// from that.
const MAX_PASSES: usize = 4;
/// What a mark says; nobody reads it but by opening it.
const CHECK_TEXT: &[u8] = b"master key";

/// Who opens what lies sealed.
pub struct MasterKeyRotation<'a, S: ?Sized> {
    /// Where it lies.
    pub seals: &'a S,
    /// The master keys.
    pub sealer: &'a Sealer,
}

/// What became of the values of one drawer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RewrapCounts {
    /// They lay under the master key at the last look.
    pub current: u64,
    /// They were sealed anew.
    pub rewrapped: u64,
    /// They were taken away.
    pub cleared: u64,
    /// They lie under a previous key after all: something still seals under it.
    pub stale: u64,
    /// No key opens them.
    pub unreadable: u64,
}

/// What became of everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RewrapReport(pub [RewrapCounts; 3]);

impl RewrapReport {
    /// Values that don't lie under the master key.
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
    /// Whether anything lies sealed.
    pub async fn has_sealed_values(&self) -> Result<bool, SystemError> {
        if !self.seals.key_check_values().await?.is_empty() {
            return Ok(true);
        }
        for table in SealedTable::ALL {
            if !self.seals.sealed(table, None, 1).await?.is_empty() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether these are the master keys that values lie under. A database from before there were marks is told by
    /// its values: they are other keys where they open none of a drawer's.
    pub async fn keys_match(&self) -> Result<bool, SystemError> {
        let values = self.seals.key_check_values().await?;
        if !values.is_empty() {
            return Ok(values.iter().all(|value| self.sealer.open(&value.sealed, &owner(value.id)).is_ok()));
        }
        for table in SealedTable::ALL {
            if !self.opens_any(table).await? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Whether the first values that are needed are opened, or there is none.
    async fn opens_any(&self, table: SealedTable) -> Result<bool, SystemError> {
        let mut after: Option<Vec<u8>> = None;
        loop {
            let values = self.seals.sealed(table, after.as_deref(), BATCH_SIZE).await?;
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

    /// Makes sure of the master key's own mark; answers whether every mark opens.
    pub async fn ensure_key_check_value(&self, random: &mut StdRng) -> Result<bool, SystemError> {
        let values = self.seals.key_check_values().await?;
        if !values.iter().any(|value| self.is_own(value)) {
            let id = Uuid::from_u128(random.random());
            let sealed = self.sealer.seal(CHECK_TEXT, &owner(id), random).map_err(seal_error)?;
            self.seals.insert_key_check_value(KeyCheckValue { id, sealed }).await?;
        }
        Ok(values.iter().all(|value| self.sealer.open(&value.sealed, &owner(value.id)).is_ok()))
    }

    fn is_own(&self, value: &KeyCheckValue) -> bool {
        self.sealer.is_current(&value.sealed, &owner(value.id))
    }

    /// Seals everything under the master key, and takes away what nobody needs. With `forget`, so is what no key
    /// opens. Other keys' marks go when nothing is left under them.
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
                let look = self.rewrap_table(table, forget, random).await?;
                idle &= look.rewrapped + look.cleared + look.stale == 0;
                count.rewrapped += look.rewrapped;
                count.cleared += look.cleared;
                // At the last look everything must lie where it belongs: what had to be done then may come again.
                (count.current, count.unreadable, count.stale) =
                    (look.current, look.unreadable, look.stale + look.rewrapped);
            }
            if idle {
                break;
            }
        }
        let others = if done.remaining() > 0 { Vec::new() } else { self.seals.key_check_values().await? };
        let gone: Vec<Uuid> =
            others.iter().filter(|value| !self.is_own(value)).map(|value| value.id).collect();
        if !gone.is_empty() || done.total(|count| count.rewrapped + count.cleared) > 0 {
            self.seals.finish_rewrap(gone, entry(&done, now)).await?;
        }
        Ok(done)
    }

    /// Goes through a drawer once.
    async fn rewrap_table(
        &self,
        table: SealedTable,
        forget: bool,
        random: &mut StdRng,
    ) -> Result<RewrapCounts, SystemError> {
        let (mut count, mut after) = (RewrapCounts::default(), None::<Vec<u8>>);
        loop {
            let values = self.seals.sealed(table, after.as_deref(), BATCH_SIZE).await?;
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
        if list.is_empty() { Ok(0) } else { self.seals.replace(table, list).await }
    }
}

fn seal_error(_: UnsealError) -> SystemError {
    SystemError::Internal("a value could not be sealed".into())
}

/// Nobody but who holds the database and the master keys can do this: the program itself is the actor.
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
        action: "master_key.rewrap",
        target: "master_key".to_owned(),
        request_id: "rewrap".to_owned(),
        details: BTreeMap::from(counts.map(|(name, count)| (name.to_owned(), count.to_string()))),
    }
}
