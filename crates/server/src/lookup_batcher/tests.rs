//! How many queries look-ups of each sort cost.

use std::sync::Mutex;

use tokio::task::JoinSet;
use uuid::Uuid;

use super::*;

/// Knows nothing, and notes what it is asked: the sort of question, and about how many.
#[derive(Default)]
struct RecordingStore(Mutex<Vec<(String, usize)>>);

impl RecordingStore {
    fn record(&self, sort: &str, size: usize) {
        self.0.lock().unwrap().push((sort.to_owned(), size));
    }
}

#[async_trait]
impl KeyStore for RecordingStore {
    async fn key_by_hash(&self, _: &KeyHash) -> Result<LookupResult, SystemError> {
        Err(SystemError::database())
    }

    async fn keys_by_hash(&self, hashes: &[KeyHash]) -> Vec<Result<LookupResult, SystemError>> {
        self.record("keys", hashes.len());
        // The revision says which key was asked about.
        hashes.iter().map(|hash| Ok(LookupResult { entry: None, revision: u64::from(hash.0[0]) })).collect()
    }

    async fn users_by_id(&self, ids: &[UserId]) -> Vec<Result<LookupResult<UserRecord>, SystemError>> {
        self.record("users", ids.len());
        ids.iter().map(|_| Ok(LookupResult { entry: None, revision: 0 })).collect()
    }

    async fn families(&self, ids: &[FamilyId], signing_key: &str) -> Vec<Result<FamilyLookup, SystemError>> {
        self.record(signing_key, ids.len());
        let result = |id: &FamilyId| u64::try_from(id.0.as_u128()).unwrap();
        ids.iter()
            .map(|id| Ok(FamilyLookup { entry: None, signing_key_in_force: true, revision: result(id) }))
            .collect()
    }
}

fn in_flight() -> (Arc<RecordingStore>, Arc<BatchingKeyStore>) {
    let store = Arc::new(RecordingStore::default());
    (Arc::clone(&store), Arc::new(BatchingKeyStore::new(store, &Handle::current())))
}

#[tokio::test]
async fn a_hundred_keys_at_once_are_one_query_and_each_gets_its_own_answer() {
    let (store, in_flight) = in_flight();
    let query = |number: u8| {
        let in_flight = Arc::clone(&in_flight);
        async move { (number, in_flight.key_by_hash(&KeyHash([number; 32])).await.unwrap().revision) }
    };
    let results = (0..100).map(query).collect::<JoinSet<_>>().join_all().await;
    assert!(results.iter().all(|(number, revision)| u64::from(*number) == *revision));
    assert_eq!(*store.0.lock().unwrap(), [("keys".to_owned(), 100)]);
}

#[tokio::test]
async fn users_and_families_are_gathered_too_and_families_by_their_signing_key() {
    let (store, in_flight) = in_flight();
    let mut calls = JoinSet::new();
    for number in 0..100 {
        let in_flight = Arc::clone(&in_flight);
        calls.spawn(async move {
            let id = Uuid::from_u128(number);
            in_flight.user_by_id(UserId(id)).await.unwrap();
            let signing_key = if number % 4 == 0 { "old" } else { "new" };
            let family = in_flight.family(FamilyId(id), signing_key).await.unwrap();
            assert_eq!(u128::from(family.revision), number);
        });
    }
    calls.join_all().await;
    let mut lookups = store.0.lock().unwrap().clone();
    lookups.sort_unstable();
    assert_eq!(
        lookups,
        [("new", 75), ("old", 25), ("users", 100)].map(|(sort, size)| (sort.to_owned(), size))
    );
}
