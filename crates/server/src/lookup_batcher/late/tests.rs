//! Tests of late look-ups by a store that answers when the test permits it.

use async_trait::async_trait;
use latchkey_core::cache::ReplicaCache;
use latchkey_core::error::SystemError;
use latchkey_core::gate::GateParts;
use latchkey_core::limit::local::LocalLimiter;
use latchkey_core::policy::Policy;
use latchkey_core::ports::usage::NoopUsageLog;
use latchkey_core::ports::{KeyStore, LookupResult, NoRenewal, Policies, ReadAt};
use latchkey_core::secret::KeyHash;
use tokio::sync::Semaphore;
use tokio::task::yield_now;

use super::*;
use crate::clock::SystemClock;

/// Number of a key whose look-up fails, and of one whose look-up panics.
const FAILS: [u64; 2] = [u64::MAX, u64::MAX - 1];

/// Store that records the keys that it is asked for.
struct SlowStore {
    asked: Mutex<Vec<KeyHash>>,
    permits: Semaphore,
}

impl SlowStore {
    fn asked(&self) -> usize {
        self.asked.lock().unwrap().len()
    }
}

#[async_trait]
impl KeyStore for SlowStore {
    async fn key_by_hash(&self, hash: &KeyHash) -> Result<LookupResult, SystemError> {
        self.asked.lock().unwrap().push(*hash);
        self.permits.acquire().await.unwrap().forget();
        assert_ne!(*hash, hash_of(FAILS[1]), "a bug in a query");
        if *hash == hash_of(FAILS[0]) {
            return Err(SystemError::database());
        }
        Ok(LookupResult { entry: None, read_at: ReadAt::revision(1) })
    }
}

struct NoPolicies;

impl Policies for NoPolicies {
    fn named(&self, _: &str) -> Option<Arc<Policy>> {
        None
    }

    fn matches_key_format(&self, _: &str) -> bool {
        false
    }
}

fn late_lookups(permits: usize) -> (Arc<SlowStore>, Arc<LateLookups<LocalLimiter>>) {
    let store = Arc::new(SlowStore { asked: Mutex::default(), permits: Semaphore::new(permits) });
    let gate = Gate::new(GateParts {
        store: Arc::<SlowStore>::clone(&store),
        policies: Arc::new(NoPolicies),
        limiter: LocalLimiter::new(),
        cache: Arc::new(ReplicaCache::new(1 << 20)),
        clock: Arc::new(SystemClock),
        usage: Arc::new(NoopUsageLog),
        lease: Arc::new(NoRenewal),
    });
    (store, LateLookups::new(Handle::current(), gate))
}

fn hash_of(number: u64) -> KeyHash {
    let mut hash = [0; 32];
    hash[..8].copy_from_slice(&number.to_be_bytes());
    KeyHash(hash)
}

fn key(number: u64) -> LookupSubject {
    LookupSubject::Key(hash_of(number))
}

/// Lets the tasks run until each one waits or has ended.
async fn settle() {
    for _ in 0..100 {
        yield_now().await;
    }
}

#[tokio::test]
async fn a_subject_is_looked_up_once_at_a_time() {
    let (store, late) = late_lookups(0);
    for _ in 0..5 {
        late.start(key(1));
        settle().await;
    }
    assert_eq!(store.asked(), 1, "the look-up is under way");
    late.start(key(2));
    settle().await;
    assert_eq!(store.asked(), 2, "another subject does not wait for it");
    store.permits.add_permits(10);
    settle().await;
    assert!(late.pending().is_empty());
    late.start(key(1));
    settle().await;
    assert_eq!(store.asked(), 3, "a later Check may need it again");
}

#[tokio::test]
async fn the_number_of_late_lookups_is_bounded_and_one_that_ends_makes_room() {
    let (store, late) = late_lookups(0);
    let most = u64::try_from(MAX_PENDING).unwrap();
    for number in 0..2 * most {
        late.start(key(number));
    }
    settle().await;
    assert_eq!((store.asked(), late.pending().len()), (MAX_PENDING, MAX_PENDING));
    store.permits.add_permits(1);
    settle().await;
    for number in most..2 * most {
        late.start(key(number));
    }
    settle().await;
    assert_eq!((store.asked(), late.pending().len()), (MAX_PENDING + 1, MAX_PENDING));
}

#[tokio::test]
async fn a_late_lookup_that_fails_leaves_its_subject_to_the_next_check() {
    let (store, late) = late_lookups(100);
    for (number, asked) in FAILS.into_iter().zip([2, 4]) {
        for _ in 0..2 {
            late.start(key(number));
            settle().await;
        }
        assert_eq!(store.asked(), asked);
        assert!(late.pending().is_empty());
    }
}

#[test]
fn lookups_that_end_with_their_runtime_leave_no_entry() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let (store, late) = runtime.block_on(async { late_lookups(0) });
    runtime.block_on(async {
        late.start(key(1));
        settle().await;
    });
    assert_eq!((store.asked(), late.pending().len()), (1, 1));
    drop(runtime);
    assert!(late.pending().is_empty());
    late.start(key(1));
    assert!(late.pending().is_empty());
}
