//! Tests of the number of queries for each type of lookup.

use std::sync::Mutex;

use latchkey_core::ports::ReadAt;
use tokio::task::JoinSet;
use uuid::Uuid;

use super::*;

/// Empty store that records the type and the size of each query.
#[derive(Default)]
struct RecordingStore(Mutex<Vec<(String, usize)>>);

impl RecordingStore {
    fn record(&self, kind: &str, size: usize) {
        self.0.lock().unwrap().push((kind.to_owned(), size));
    }
}

#[async_trait]
impl KeyStore for RecordingStore {
    async fn key_by_hash(&self, _: &KeyHash) -> Result<LookupResult, SystemError> {
        Err(SystemError::database())
    }

    async fn keys_by_hash(&self, hashes: &[KeyHash]) -> Vec<Result<LookupResult, SystemError>> {
        self.record("keys", hashes.len());
        // The revision identifies the key that was looked up.
        hashes
            .iter()
            .map(|hash| Ok(LookupResult { entry: None, read_at: ReadAt::revision(u64::from(hash.0[0])) }))
            .collect()
    }

    async fn users_by_id(&self, ids: &[UserId]) -> Vec<Result<LookupResult<UserRecord>, SystemError>> {
        self.record("users", ids.len());
        ids.iter().map(|_| Ok(LookupResult { entry: None, read_at: ReadAt::default() })).collect()
    }

    async fn families(&self, ids: &[FamilyId], signing_key: &str) -> Vec<Result<FamilyLookup, SystemError>> {
        self.record(signing_key, ids.len());
        let result = |id: &FamilyId| u64::try_from(id.0.as_u128()).unwrap();
        ids.iter()
            .map(|id| {
                Ok(FamilyLookup {
                    entry: None,
                    signing_key_in_force: true,
                    read_at: ReadAt::revision(result(id)),
                })
            })
            .collect()
    }
}

fn batching_store() -> (Arc<RecordingStore>, Arc<BatchingKeyStore>) {
    let store = Arc::new(RecordingStore::default());
    (Arc::clone(&store), Arc::new(BatchingKeyStore::new(store, &Handle::current(), Duration::from_secs(30))))
}

#[tokio::test]
async fn a_hundred_keys_at_once_are_one_query_and_each_gets_its_own_result() {
    let (store, batching_store) = batching_store();
    let query = |number: u8| {
        let batching_store = Arc::clone(&batching_store);
        async move { (number, batching_store.key_by_hash(&KeyHash([number; 32])).await.unwrap().read_at.revision) }
    };
    let results = (0..100).map(query).collect::<JoinSet<_>>().join_all().await;
    assert!(results.iter().all(|(number, revision)| u64::from(*number) == *revision));
    assert_eq!(*store.0.lock().unwrap(), [("keys".to_owned(), 100)]);
}

#[tokio::test]
async fn users_and_families_are_batched_too_and_families_by_their_signing_key() {
    let (store, batching_store) = batching_store();
    let mut calls = JoinSet::new();
    for number in 0..100 {
        let batching_store = Arc::clone(&batching_store);
        calls.spawn(async move {
            let id = Uuid::from_u128(number);
            batching_store.user_by_id(UserId(id)).await.unwrap();
            let signing_key = if number % 4 == 0 { "old" } else { "new" };
            let family = batching_store.family(FamilyId(id), signing_key).await.unwrap();
            assert_eq!(u128::from(family.read_at.revision), number);
        });
    }
    calls.join_all().await;
    let mut lookups = store.0.lock().unwrap().clone();
    lookups.sort_unstable();
    assert_eq!(
        lookups,
        [("new", 75), ("old", 25), ("users", 100)].map(|(kind, size)| (kind.to_owned(), size))
    );
}
