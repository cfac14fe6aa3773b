//! Look-ups of keys, users and families: for Check, with its short deadline, and for issuing and renewing
//! tokens, with the deadline of management calls.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use async_trait::async_trait;
use latchkey_core::error::SystemError;
use latchkey_core::id::{FamilyId, UserId};
use latchkey_core::ports::timing::QueryKind;
use latchkey_core::ports::{FamilyLookup, HashUses, KeyStore, LookupResult, ReadAt, RefreshTokenLookup};
use latchkey_core::secret::KeyHash;
use latchkey_core::user::UserRecord;
use tokio::time::Instant;

use super::Store;
use crate::error::StoreError;
use crate::pool::PooledConnection;
use crate::query;

type Answer<T> = Result<T, SystemError>;

impl Store {
    async fn keys(&self, hashes: &[KeyHash], deadline: Duration) -> Vec<Answer<LookupResult>> {
        let begun = Instant::now();
        let query = async {
            let (connection, required) = (self.pool.acquire().await?, self.required_revision());
            let time = LookupTime::begin(begun, deadline);
            let found = query::check::by_hash(&connection, hashes).await?;
            up_to_date(&connection, required, time, found, |found| &mut found.read_at).await
        };
        for_each_id(hashes.len(), self.with_deadline_of(deadline, QueryKind::FindKey, query)).await
    }

    async fn uses(&self, hashes: &[KeyHash], deadline: Duration) -> Answer<HashUses> {
        let begun = Instant::now();
        let query = async {
            let (connection, required) = (self.pool.acquire().await?, self.required_revision());
            let time = LookupTime::begin(begun, deadline);
            let found = vec![Ok(query::check::uses_of_hashes(&connection, hashes).await?)];
            up_to_date(&connection, required, time, found, |found| &mut found.read_at).await
        };
        single(for_each_id(1, self.with_deadline_of(deadline, QueryKind::FindKey, query)).await)
    }

    async fn users(&self, ids: &[UserId], deadline: Duration) -> Vec<Answer<LookupResult<UserRecord>>> {
        let begun = Instant::now();
        let query = async {
            let (connection, required) = (self.pool.acquire().await?, self.required_revision());
            let time = LookupTime::begin(begun, deadline);
            let found = query::user::with_tenant(&connection, ids).await?;
            up_to_date(&connection, required, time, found, |found| &mut found.read_at).await
        };
        for_each_id(ids.len(), self.with_deadline_of(deadline, QueryKind::FindUser, query)).await
    }

    async fn families_of(
        &self,
        ids: &[FamilyId],
        signing_key: &str,
        deadline: Duration,
    ) -> Vec<Answer<FamilyLookup>> {
        let begun = Instant::now();
        let query = async {
            let (connection, required) = (self.pool.acquire().await?, self.required_revision());
            let time = LookupTime::begin(begun, deadline);
            let found = query::token::for_check(&connection, ids, signing_key).await?;
            up_to_date(&connection, required, time, found, |found| &mut found.read_at).await
        };
        for_each_id(ids.len(), self.with_deadline_of(deadline, QueryKind::FindFamily, query)).await
    }

    async fn refresh_tokens_of(
        &self,
        hashes: &[KeyHash],
        deadline: Duration,
    ) -> Vec<Answer<RefreshTokenLookup>> {
        let query = async {
            let (connection, required) = (self.pool.acquire().await?, self.required_revision());
            let found = query::token::refresh_tokens(&connection, hashes).await?;
            require_up_to_date(&connection, required).await?;
            Ok(found)
        };
        for_each_id(hashes.len(), self.with_deadline_of(deadline, QueryKind::Token, query)).await
    }
}

impl Store {
    /// Returns the revision that an answer must have reached. It is read before the query.
    pub(super) fn required_revision(&self) -> u64 {
        self.required_revision.load(Ordering::SeqCst)
    }
}

/// Fails if the server that answered is behind a revision that this process has applied. Its connection is closed then.
pub(super) async fn require_up_to_date(
    connection: &PooledConnection,
    required: u64,
) -> Result<(), StoreError> {
    if query::feed::revision(connection).await? < required {
        connection.mark_stale();
        return Err(StoreError::Stale);
    }
    Ok(())
}

/// Time of a look-up.
struct LookupTime {
    /// Time by which the look-up must be done.
    end: Instant,
    /// Time at which its query was sent.
    sent: Instant,
}

impl LookupTime {
    /// Returns the time of a look-up that began at `begun` and sends its query now.
    fn begin(begun: Instant, deadline: Duration) -> Self {
        Self { end: begun + deadline, sent: Instant::now() }
    }

    /// Returns whether there is time for another query that takes as long as the one that was answered now.
    fn permits_another(&self) -> bool {
        let now = Instant::now();
        now + (now - self.sent) < self.end
    }
}

/// Returns what a query found, unless the server that answered is behind what this process has applied: a standby, or a
/// primary from before a failover. Its connection is closed then. If it is ahead, the history there is read too, if there is
/// time: a failover may lose it before this process applies it.
async fn up_to_date<T>(
    connection: &PooledConnection,
    required: u64,
    time: LookupTime,
    mut found: Vec<Answer<T>>,
    read_at: impl Fn(&mut T) -> &mut ReadAt,
) -> Result<Vec<Answer<T>>, StoreError> {
    let Some(revision) = found.iter_mut().flatten().map(|found| read_at(found).revision).next() else {
        return Ok(found);
    };
    if revision < required {
        connection.mark_stale();
        return Err(StoreError::Stale);
    }
    if revision > required {
        let known = time.permits_another();
        let history = if known { query::feed::history_at(connection, revision).await? } else { None };
        for found in found.iter_mut().flatten() {
            *read_at(found) = ReadAt { revision, history, unknown_history: !known };
        }
    }
    Ok(found)
}

/// Returns one result for each item of a query; if the query fails, each of them is its error.
async fn for_each_id<T>(asked: usize, query: impl Future<Output = Answer<Vec<Answer<T>>>>) -> Vec<Answer<T>> {
    query.await.unwrap_or_else(|error| (0..asked).map(|_| Err(error.clone())).collect())
}

/// Returns the result of a query for one item.
fn single<T>(mut answers: Vec<Answer<T>>) -> Answer<T> {
    answers.pop().unwrap_or_else(|| {
        Err(StoreError::Corrupt("a query returned no result for its item".to_owned()).into())
    })
}

#[async_trait]
impl KeyStore for Store {
    async fn key_by_hash(&self, hash: &KeyHash) -> Answer<LookupResult> {
        single(self.keys(&[*hash], self.check_deadline).await)
    }

    async fn uses_of_hashes(&self, hashes: &[KeyHash]) -> Answer<HashUses> {
        self.uses(hashes, self.check_deadline).await
    }

    async fn user_by_id(&self, id: UserId) -> Answer<LookupResult<UserRecord>> {
        single(self.users(&[id], self.check_deadline).await)
    }

    async fn family(&self, id: FamilyId, signing_key: &str) -> Answer<FamilyLookup> {
        single(self.families_of(&[id], signing_key, self.check_deadline).await)
    }

    async fn keys_by_hash(&self, hashes: &[KeyHash]) -> Vec<Answer<LookupResult>> {
        self.keys(hashes, self.check_deadline).await
    }

    async fn users_by_id(&self, ids: &[UserId]) -> Vec<Answer<LookupResult<UserRecord>>> {
        self.users(ids, self.check_deadline).await
    }

    async fn families(&self, ids: &[FamilyId], signing_key: &str) -> Vec<Answer<FamilyLookup>> {
        self.families_of(ids, signing_key, self.check_deadline).await
    }

    async fn refresh_token(&self, hash: &KeyHash) -> Answer<RefreshTokenLookup> {
        single(self.refresh_tokens_of(&[*hash], self.check_deadline).await)
    }

    async fn refresh_tokens(&self, hashes: &[KeyHash]) -> Vec<Answer<RefreshTokenLookup>> {
        self.refresh_tokens_of(hashes, self.check_deadline).await
    }
}

/// A store whose look-ups have the deadline of management calls.
#[derive(Clone, Debug)]
pub struct ManagementLookups(pub Arc<Store>);

#[async_trait]
impl KeyStore for ManagementLookups {
    async fn key_by_hash(&self, hash: &KeyHash) -> Answer<LookupResult> {
        single(self.0.keys(&[*hash], self.0.deadline).await)
    }

    async fn uses_of_hashes(&self, hashes: &[KeyHash]) -> Answer<HashUses> {
        self.0.uses(hashes, self.0.deadline).await
    }

    async fn user_by_id(&self, id: UserId) -> Answer<LookupResult<UserRecord>> {
        single(self.0.users(&[id], self.0.deadline).await)
    }

    async fn family(&self, id: FamilyId, signing_key: &str) -> Answer<FamilyLookup> {
        single(self.0.families_of(&[id], signing_key, self.0.deadline).await)
    }

    async fn refresh_token(&self, hash: &KeyHash) -> Answer<RefreshTokenLookup> {
        single(self.0.refresh_tokens_of(&[*hash], self.0.deadline).await)
    }

    async fn keys_by_hash(&self, hashes: &[KeyHash]) -> Vec<Answer<LookupResult>> {
        self.0.keys(hashes, self.0.deadline).await
    }

    async fn users_by_id(&self, ids: &[UserId]) -> Vec<Answer<LookupResult<UserRecord>>> {
        self.0.users(ids, self.0.deadline).await
    }

    async fn families(&self, ids: &[FamilyId], signing_key: &str) -> Vec<Answer<FamilyLookup>> {
        self.0.families_of(ids, signing_key, self.0.deadline).await
    }

    async fn refresh_tokens(&self, hashes: &[KeyHash]) -> Vec<Answer<RefreshTokenLookup>> {
        self.0.refresh_tokens_of(hashes, self.0.deadline).await
    }
}
