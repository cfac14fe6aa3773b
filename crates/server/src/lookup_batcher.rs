//! Batching of lookups of keys, users, token families and refresh tokens, so that many lookups of one type become one
//! query. Without a valid lease each Check reads the database; a busy key must not cause a stampede of queries then. The
//! lookups of calls that issue and refresh tokens are batched as well.

mod batcher;
mod late;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use latchkey_core::error::SystemError;
use latchkey_core::gate::LookupSubject;
use latchkey_core::id::{FamilyId, UserId};
use latchkey_core::ports::{FamilyLookup, HashUses, KeyStore, LookupResult, RefreshTokenLookup};
use latchkey_core::secret::KeyHash;
use latchkey_core::user::UserRecord;
use tokio::runtime::Handle;

use self::batcher::Batcher;
use self::late::LateHandler;
pub(crate) use self::late::LateLookups;

/// Identifier of a family, and of the key that signed the token which names it.
type FamilyKey = (FamilyId, Box<str>);

/// Key store that batches lookups. Can be used from any runtime.
pub(crate) struct BatchingKeyStore {
    keys: Batcher<KeyHash, LookupResult>,
    /// Uses of the hashes of a value.
    uses: Batcher<Vec<KeyHash>, HashUses>,
    users: Batcher<UserId, LookupResult<UserRecord>>,
    families: Batcher<FamilyKey, FamilyLookup>,
    refresh_tokens: Batcher<KeyHash, RefreshTokenLookup>,
    /// Gets the look-ups that had no answer: not in time, or no connection.
    on_late: Option<LateHandler>,
}

impl BatchingKeyStore {
    /// Makes a batching store. Queries run as tasks of `runtime`, on which the store's connections live. A lookup fails
    /// after the timeout.
    pub(crate) fn new(store: Arc<dyn KeyStore>, runtime: &Handle, timeout: Duration) -> Self {
        let (keys, users, families) = (Arc::clone(&store), Arc::clone(&store), Arc::clone(&store));
        let uses = Arc::clone(&store);
        Self {
            keys: Batcher::new((runtime.clone(), timeout), move |hashes: Vec<KeyHash>| {
                let store = Arc::clone(&keys);
                async move { store.keys_by_hash(&hashes).await }
            }),
            uses: Batcher::new((runtime.clone(), timeout), move |lists| {
                let store = Arc::clone(&uses);
                async move { uses_of_lists(&*store, lists).await }
            }),
            users: Batcher::new((runtime.clone(), timeout), move |ids: Vec<UserId>| {
                let store = Arc::clone(&users);
                async move { store.users_by_id(&ids).await }
            }),
            families: Batcher::new((runtime.clone(), timeout), move |lookups| {
                let store = Arc::clone(&families);
                async move { families_by_signing_key(&*store, lookups).await }
            }),
            refresh_tokens: Batcher::new((runtime.clone(), timeout), move |hashes: Vec<KeyHash>| {
                let store = Arc::clone(&store);
                async move { store.refresh_tokens(&hashes).await }
            }),
            on_late: None,
        }
    }

    /// Calls `handler` with the subject of each look-up that had no answer: not in time, or no connection.
    pub(crate) fn on_late(mut self, handler: impl Fn(LookupSubject) + Send + Sync + 'static) -> Self {
        self.on_late = Some(Box::new(handler));
        self
    }

    /// Returns the result of a look-up, and calls the handler if it had no answer: not in time, or no connection.
    fn report_late<T>(
        &self,
        result: Result<T, SystemError>,
        subject: impl FnOnce() -> LookupSubject,
    ) -> Result<T, SystemError> {
        if let (Err(error), Some(on_late)) = (&result, &self.on_late)
            && error.is_no_answer()
        {
            on_late(subject());
        }
        result
    }
}

/// Reads the uses of the hashes of several values by one query.
async fn uses_of_lists(store: &dyn KeyStore, lists: Vec<Vec<KeyHash>>) -> Vec<Result<HashUses, SystemError>> {
    let found = store.uses_of_hashes(&lists.concat()).await;
    let mut first = 0;
    let of_list = |list: &Vec<KeyHash>| -> Result<HashUses, SystemError> {
        let HashUses { uses, read_at } = found.as_ref().map_err(Clone::clone)?;
        let uses = uses.iter().skip(first).take(list.len()).copied().collect();
        first += list.len();
        Ok(HashUses { uses, read_at: *read_at })
    };
    lists.iter().map(of_list).collect()
}

/// Reads families with one query for each signing key that is named, which is nearly always one.
async fn families_by_signing_key(
    store: &dyn KeyStore,
    lookups: Vec<FamilyKey>,
) -> Vec<Result<FamilyLookup, SystemError>> {
    let mut by_signer: HashMap<&str, Vec<usize>> = HashMap::new();
    for (index, (_, signing_key)) in lookups.iter().enumerate() {
        by_signer.entry(signing_key).or_default().push(index);
    }
    let missing_result =
        || Err(SystemError::Internal("the store returned no result for a token family".to_owned()));
    let mut results: Vec<_> = lookups.iter().map(|_| missing_result()).collect();
    for (signing_key, indices) in by_signer {
        let ids: Vec<FamilyId> = indices.iter().map(|index| lookups[*index].0).collect();
        for (index, result) in indices.into_iter().zip(store.families(&ids, signing_key).await) {
            results[index] = result;
        }
    }
    results
}

#[async_trait]
impl KeyStore for BatchingKeyStore {
    async fn key_by_hash(&self, hash: &KeyHash) -> Result<LookupResult, SystemError> {
        self.report_late(self.keys.look_up(*hash).await, || LookupSubject::Key(*hash))
    }

    async fn uses_of_hashes(&self, hashes: &[KeyHash]) -> Result<HashUses, SystemError> {
        let result = self.uses.look_up(hashes.to_vec()).await;
        self.report_late(result, || LookupSubject::Uses(hashes.into()))
    }

    async fn user_by_id(&self, id: UserId) -> Result<LookupResult<UserRecord>, SystemError> {
        self.report_late(self.users.look_up(id).await, || LookupSubject::User(id))
    }

    async fn family(&self, id: FamilyId, signing_key: &str) -> Result<FamilyLookup, SystemError> {
        let result = self.families.look_up((id, signing_key.into())).await;
        self.report_late(result, || LookupSubject::Family(id, signing_key.into()))
    }

    async fn refresh_token(&self, hash: &KeyHash) -> Result<RefreshTokenLookup, SystemError> {
        self.refresh_tokens.look_up(*hash).await
    }
}

#[cfg(test)]
mod tests;
