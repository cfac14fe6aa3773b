//! Transaction for several writes.

use std::borrow::Cow;
use std::sync::Arc;

use latchkey_core::id::{FamilyId, KeyId};
use latchkey_core::ports::{ChangeEffect, ChangeSubject, PendingChange};
use latchkey_management::ports::{AuditEntry, Created, NewKey, WriteResult};
use sea_orm::DbErr;
use tokio::task::JoinSet;

use super::shared_write::{FamilyStart, KeyCreation, SharedWrite, TokenRedemption, WaitingWrite};
use super::turn;

use crate::error::StoreError;
use crate::journal::{self, JournalEntry};
use crate::pool::{Pool, PooledConnection};
use crate::write::{create, family, insert};

/// Writes of one transaction, by their kinds.
#[derive(Default)]
struct Batch {
    keys: Vec<WaitingWrite<KeyCreation, WriteResult<Vec<Created>>>>,
    families: Vec<WaitingWrite<FamilyStart, ()>>,
    redemptions: Vec<WaitingWrite<TokenRedemption, bool>>,
}

/// Results of the writes of a transaction, in the order of the batch.
#[derive(Default)]
struct BatchResults {
    keys: Vec<WriteResult<Vec<Created>>>,
    redeemed: Vec<bool>,
}

/// Reason that a transaction did not do all of its writes.
enum BatchFailure {
    /// Keys that exist already, or whose idempotency key does. Nothing was written.
    Existing(Vec<KeyId>),
    /// A statement failed, for a reason that may concern one write alone. Nothing was written.
    Statement(StoreError),
    /// The connection or the commit failed. It is unknown whether something was written if the commit failed.
    Outage(StoreError),
}

/// Runs the writes in one transaction, and answers each. Writes that cannot share it run in their own ones. `turn` is the
/// transaction that has begun for them, or the reason why none has.
pub(super) async fn run(pool: &Arc<Pool>, turn: Result<PooledConnection, DbErr>, writes: Vec<SharedWrite>) {
    let mut batch = Batch::new(writes);
    let mut alone = Vec::new();
    let mut begun = Some(turn);
    loop {
        let connection = match begun.take() {
            Some(connection) => connection,
            None => turn::begin(pool).await,
        };
        match batch.run(connection).await {
            Ok(results) => {
                batch.answer(results);
                break;
            }
            Err(BatchFailure::Existing(ids)) => alone.append(&mut batch.take_keys(&ids)),
            Err(BatchFailure::Statement(_)) if batch.len() > 1 => {
                alone.append(&mut batch.into_writes());
                break;
            }
            Err(BatchFailure::Statement(error) | BatchFailure::Outage(error)) => {
                batch.into_writes().into_iter().for_each(|write| write.fail(error.clone()));
                break;
            }
        }
    }
    let mut running = JoinSet::new();
    for write in alone {
        let pool = Arc::clone(pool);
        running.spawn(async move { run_alone(&pool, write).await });
    }
    running.join_all().await;
}

/// Runs a write in a transaction of its own, which also finds out which key exists already.
async fn run_alone(pool: &Arc<Pool>, write: SharedWrite) {
    match write {
        SharedWrite::CreateKey(WaitingWrite { write, answer }) => {
            let KeyCreation { key, audit } = *write;
            let created = async { create::keys(pool.begin().await?, vec![key], &audit).await };
            // A caller that has given up needs no answer.
            let _ = answer.send(created.await);
        }
        write @ (SharedWrite::StartFamily(_) | SharedWrite::RedeemToken(_)) => {
            let batch = Batch::new(vec![write]);
            match batch.run(turn::begin(pool).await).await {
                Ok(results) => batch.answer(results),
                Err(BatchFailure::Statement(error) | BatchFailure::Outage(error)) => {
                    batch.into_writes().into_iter().for_each(|write| write.fail(error.clone()));
                }
                // There is no key in this batch.
                Err(BatchFailure::Existing(_)) => {}
            }
        }
    }
}

impl Batch {
    fn new(writes: Vec<SharedWrite>) -> Self {
        let mut batch = Self::default();
        for write in writes {
            match write {
                SharedWrite::CreateKey(waiting) => batch.keys.push(waiting),
                SharedWrite::StartFamily(waiting) => batch.families.push(waiting),
                SharedWrite::RedeemToken(waiting) => batch.redemptions.push(waiting),
            }
        }
        batch
    }

    fn len(&self) -> usize {
        self.keys.len() + self.families.len() + self.redemptions.len()
    }

    fn into_writes(self) -> Vec<SharedWrite> {
        let keys = self.keys.into_iter().map(SharedWrite::CreateKey);
        let families = self.families.into_iter().map(SharedWrite::StartFamily);
        let redemptions = self.redemptions.into_iter().map(SharedWrite::RedeemToken);
        keys.chain(families).chain(redemptions).collect()
    }

    /// Removes the creations of these keys.
    fn take_keys(&mut self, ids: &[KeyId]) -> Vec<SharedWrite> {
        let (taken, kept) = std::mem::take(&mut self.keys)
            .into_iter()
            .partition(|key| ids.contains(&key.write.key.record.id));
        self.keys = kept;
        let taken: Vec<_> = taken;
        taken.into_iter().map(SharedWrite::CreateKey).collect()
    }

    fn answer(self, results: BatchResults) {
        // A caller that has given up needs no answer.
        for (waiting, result) in self.keys.into_iter().zip(results.keys) {
            let _ = waiting.answer.send(Ok(result));
        }
        for waiting in self.families {
            let _ = waiting.answer.send(Ok(()));
        }
        for (waiting, redeemed) in self.redemptions.into_iter().zip(results.redeemed) {
            let _ = waiting.answer.send(Ok(redeemed));
        }
    }

    /// Does all writes, or none.
    async fn run(&self, connection: Result<PooledConnection, DbErr>) -> Result<BatchResults, BatchFailure> {
        if self.len() == 0 {
            return Ok(BatchResults::default());
        }
        let connection = connection.map_err(|error| BatchFailure::Outage(error.into()))?;
        self.insert_keys(&connection).await?;
        let families: Vec<_> = self.families.iter().map(|waiting| &*waiting.write).collect();
        let ended = family::begin(&connection, &families).await?;
        let redemptions: Vec<_> = self.redemptions.iter().map(|waiting| &*waiting.write).collect();
        let redeemed = family::redeem(&connection, &redemptions).await?;
        let keys = self.append(&connection, &ended, &redeemed).await?;
        connection.commit().await.map_err(|error| BatchFailure::Outage(error.into()))?;
        Ok(BatchResults { keys, redeemed })
    }

    async fn insert_keys(&self, connection: &PooledConnection) -> Result<(), BatchFailure> {
        let keys: Vec<&NewKey> = self.keys.iter().map(|waiting| &waiting.write.key).collect();
        let inserted = insert::keys(connection, &keys).await?;
        if inserted.len() == keys.len() {
            return Ok(());
        }
        let ids = keys.iter().map(|key| key.record.id);
        Err(BatchFailure::Existing(ids.filter(|id| !inserted.contains(id)).collect()))
    }

    /// Appends every write to the journal, and gives the keys their revisions. `ended` has the families that each start of
    /// a family has ended. Returns the results of the keys.
    async fn append(
        &self,
        connection: &PooledConnection,
        ended: &[Vec<FamilyId>],
        redeemed: &[bool],
    ) -> Result<Vec<WriteResult<Vec<Created>>>, StoreError> {
        let keys: Vec<_> = self.keys.iter().map(|waiting| &*waiting.write).collect();
        let changes: Vec<[PendingChange; 1]> =
            keys.iter().map(|creation| [ChangeSubject::Key(creation.key.record.hash).into()]).collect();
        let of_keys = changes.iter().zip(&keys);
        // No replica caches anything about a value that was not known before.
        let of_keys = of_keys.map(|(changes, creation)| JournalEntry::deferred(changes, &creation.audit));
        let starts: Vec<_> = self
            .families
            .iter()
            .zip(ended)
            .map(|(start, ended)| (changes_of_ended(ended), with_ended(&start.write.audit, ended)))
            .collect();
        let of_families = starts.iter().map(|(changes, audit)| JournalEntry::new(changes, audit));
        let redemptions = self.redemptions.iter().zip(redeemed).filter(|(_, redeemed)| **redeemed);
        let of_tokens = redemptions.map(|(waiting, _)| JournalEntry::new(&[], &waiting.write.audit));
        let entries: Vec<_> = of_keys.chain(of_families).chain(of_tokens).collect();
        let ids: Vec<KeyId> = keys.iter().map(|creation| creation.key.record.id).collect();
        let appended = journal::append_with_keys(connection, &entries, &ids).await?;
        let created = keys.iter().zip(appended).map(|(creation, appended)| {
            let mut record = creation.key.record.clone();
            record.revision = appended.first;
            WriteResult::written(appended.first, vec![Created::New(record)]).with_history(appended.history)
        });
        Ok(created.collect())
    }
}

/// Returns the changes by which replicas learn that families have ended.
fn changes_of_ended(ended: &[FamilyId]) -> Vec<PendingChange> {
    ended.iter().map(|id| ChangeSubject::Family(*id).with_effect(Some(ChangeEffect::Ended))).collect()
}

/// Returns the audit entry of a start with the families that it has ended.
fn with_ended<'a>(audit: &'a AuditEntry, ended: &[FamilyId]) -> Cow<'a, AuditEntry> {
    if ended.is_empty() {
        return Cow::Borrowed(audit);
    }
    let ids: Vec<String> = ended.iter().map(ToString::to_string).collect();
    Cow::Owned(audit.clone().with_detail("ended", ids.join(" ")))
}

impl From<StoreError> for BatchFailure {
    fn from(error: StoreError) -> Self {
        if error.breaks_connection() { Self::Outage(error) } else { Self::Statement(error) }
    }
}
