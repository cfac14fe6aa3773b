//! How many queries look-ups of each sort cost.

use std::sync::Mutex;

use tokio::task::JoinSet;
use uuid::Uuid;

use super::*;

/// Knows nothing, and notes what it is asked: the sort of question, and about how many.
#[derive(Default)]
struct Empty(Mutex<Vec<(String, usize)>>);

impl Empty {
    fn note(&self, sort: &str, size: usize) {
        self.0.lock().unwrap().push((sort.to_owned(), size));
    }
}

#[async_trait]
impl KeyStore for Empty {
    async fn key_by_hash(&self, _: &KeyHash) -> Result<Found, Trouble> {
        Err(Trouble::database())
    }

    async fn keys_by_hash(&self, hashes: &[KeyHash]) -> Vec<Result<Found, Trouble>> {
        self.note("keys", hashes.len());
        // The revision says which key was asked about.
        hashes.iter().map(|hash| Ok(Found { known: None, revision: u64::from(hash.0[0]) })).collect()
    }

    async fn users_by_id(&self, ids: &[UserId]) -> Vec<Result<Found<UserRecord>, Trouble>> {
        self.note("users", ids.len());
        ids.iter().map(|_| Ok(Found { known: None, revision: 0 })).collect()
    }

    async fn families(&self, ids: &[FamilyId], signing_key: &str) -> Vec<Result<FoundFamily, Trouble>> {
        self.note(signing_key, ids.len());
        let answer = |id: &FamilyId| u64::try_from(id.0.as_u128()).unwrap();
        ids.iter().map(|id| Ok(FoundFamily { known: None, signing: true, revision: answer(id) })).collect()
    }
}

fn flights() -> (Arc<Empty>, Arc<Flights>) {
    let store = Arc::new(Empty::default());
    (Arc::clone(&store), Arc::new(Flights::new(store, &Handle::current())))
}

#[tokio::test]
async fn a_hundred_keys_at_once_are_one_query_and_each_gets_its_own_answer() {
    let (store, flights) = flights();
    let ask = |number: u8| {
        let flights = Arc::clone(&flights);
        async move { (number, flights.key_by_hash(&KeyHash([number; 32])).await.unwrap().revision) }
    };
    let answers = (0..100).map(ask).collect::<JoinSet<_>>().join_all().await;
    assert!(answers.iter().all(|(number, revision)| u64::from(*number) == *revision));
    assert_eq!(*store.0.lock().unwrap(), [("keys".to_owned(), 100)]);
}

#[tokio::test]
async fn users_and_families_are_gathered_too_and_families_by_their_signing_key() {
    let (store, flights) = flights();
    let mut calls = JoinSet::new();
    for number in 0..100 {
        let flights = Arc::clone(&flights);
        calls.spawn(async move {
            let id = Uuid::from_u128(number);
            flights.user_by_id(UserId(id)).await.unwrap();
            let signer = if number % 4 == 0 { "old" } else { "new" };
            let family = flights.family(FamilyId(id), signer).await.unwrap();
            assert_eq!(u128::from(family.revision), number);
        });
    }
    calls.join_all().await;
    let mut asked = store.0.lock().unwrap().clone();
    asked.sort_unstable();
    assert_eq!(asked, [("new", 75), ("old", 25), ("users", 100)].map(|(sort, size)| (sort.to_owned(), size)));
}
