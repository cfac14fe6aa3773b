//! The revocation meter in small, where a replica can be made to lie: one that trusts its memory beyond its lease
//! admits a revoked key, and the meter sees it. So the meter can fail. And the race of a fill against a change.

use std::sync::atomic::AtomicBool;

use latchkey_core::access::Presented;
use latchkey_core::gate::{Gate, GateParts};
use latchkey_core::id::KeyId;
use latchkey_core::limit::local::LocalLimiter;
use latchkey_core::ports::usage::Unnoted;
use latchkey_core::ports::{Change, Found, KeyStore};
use latchkey_core::secret::{KeyHash, PlainKey};
use latchkey_core::time::Tick;
use latchkey_core::trouble::{Failure, Refusal};
use latchkey_management::operators;
use latchkey_management::ports::{AuditEntry, KeyRule, NewKey};
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::*;

/// The way of one replica to the store: it can be cut, and answers about keys can be held back.
struct Way {
    store: Arc<Store>,
    cut: AtomicBool,
    answers: Semaphore,
    asked: AtomicU64,
}

impl Way {
    fn pass(&self) -> Result<(), Trouble> {
        if self.cut.load(Ordering::SeqCst) { Err(Trouble::database()) } else { Ok(()) }
    }
}

#[async_trait]
impl Feed for Way {
    async fn changes(&self, after: u64, limit: u32) -> Result<Vec<Change>, Trouble> {
        self.pass()?;
        self.store.changes(after, limit).await
    }

    async fn revision(&self) -> Result<u64, Trouble> {
        self.pass()?;
        self.store.revision().await
    }
}

#[async_trait]
impl KeyStore for Way {
    async fn key_by_hash(&self, hash: &KeyHash) -> Result<Found, Trouble> {
        self.pass()?;
        let found = self.store.key_by_hash(hash).await;
        self.asked.fetch_add(1, Ordering::SeqCst);
        self.answers.acquire().await.unwrap().forget();
        found
    }
}

fn gate(way: &Arc<Way>, follower: &Follower, memory: Arc<Memory>) -> Arc<Gate<LocalLimiter>> {
    Arc::new(Gate::new(GateParts {
        store: way.clone(),
        policies: follower.parts.catalog.clone(),
        limiter: LocalLimiter::new(),
        memory,
        clock: follower.parts.clock.clone(),
        usage: Arc::new(Unnoted),
    }))
}

struct Cell {
    way: Arc<Way>,
    follower: Arc<Follower>,
    gate: Arc<Gate<LocalLimiter>>,
}

impl Cell {
    async fn new(store: &Arc<Store>, clock: &Arc<Hands>, id: &str) -> Self {
        let answers = Semaphore::new(1_000);
        let way = Arc::new(Way {
            store: store.clone(),
            cut: AtomicBool::new(false),
            answers,
            asked: AtomicU64::new(0),
        });
        let mut follower = Arc::into_inner(sharing(store, clock, id)).unwrap();
        follower.parts.feed = way.clone();
        follower.begin().await.unwrap();
        let memory = follower.parts.memory.clone();
        let gate = gate(&way, &follower, memory);
        Self { way, follower: Arc::new(follower), gate }
    }

    /// From now on it decides by a memory that hears of no change and is trusted for ever.
    fn go_deaf(&mut self) {
        let memory = Arc::new(Memory::new(1 << 20));
        memory.trust_until(Tick(u64::MAX));
        self.gate = gate(&self.way, &self.follower, memory);
    }

    /// Whether this replica takes the key's holder for an operator.
    async fn admits(&self, key: &PlainKey) -> bool {
        self.gate.caller(Presented::Value(key.reveal()), None).await.is_ok()
    }
}

fn line() -> AuditEntry {
    AuditEntry {
        time: Timestamp(0),
        tenant: None,
        actor: "test".into(),
        action: "key.revoke",
        target: "key".into(),
        request_id: "test".into(),
        details: std::collections::BTreeMap::new(),
    }
}

/// Two replicas of one store, and the operators' keys.
struct Pair {
    store: Arc<Store>,
    clock: Arc<Hands>,
    random: StdRng,
    cells: [Cell; 2],
    _folder: TempDir,
}

impl Pair {
    async fn new() -> (Self, KeyId, PlainKey) {
        let folder = tempfile::tempdir().unwrap();
        let (store, clock) = (store(&folder).await, Arc::<Hands>::default());
        let mut random = StdRng::from_seed([7; 32]);
        let tenant = operators::tenant(Timestamp(0), &mut random);
        let key = operators::new_root_value(&mut random);
        let record = operators::root_key(&key, tenant.id, Timestamp(0), &mut random);
        let id = record.id;
        store.found(tenant, record, true, line()).await.unwrap();
        let cells = [Cell::new(&store, &clock, "1").await, Cell::new(&store, &clock, "2").await];
        (Self { store, clock, random, cells, _folder: folder }, id, key)
    }

    async fn another(&mut self, like: KeyId) -> (KeyId, PlainKey) {
        let tenant = self.store.key(like).await.unwrap().unwrap().tenant;
        let key = operators::new_root_value(&mut self.random);
        let record = operators::root_key(&key, tenant, Timestamp(0), &mut self.random);
        let id = record.id;
        self.store.create_keys(vec![NewKey { record, idempotency: None }], line()).await.unwrap();
        (id, key)
    }

    /// Revokes through the first replica; answers its wait for the others.
    async fn revoke(&self, id: KeyId) -> JoinSet<Result<(), Trouble>> {
        let rule: KeyRule<'_> = Box::new(|key| {
            key.life
                .revoke(Timestamp(1), String::new())
                .map_err(|_| Refusal::NotFound("key"))
                .map(|life| latchkey_core::record::KeyRecord { life, ..key.clone() })
        });
        let written: Result<_, Failure> = self.store.change_key(id, rule, line()).await;
        let revision = written.unwrap().revision;
        let first = self.cells[0].follower.clone();
        first.poll().await.unwrap();
        let mut waiting = JoinSet::new();
        waiting.spawn(async move { first.spread(revision, None).await });
        waiting
    }
}

/// Whether a replica that is cut off admits a key after its revocation has answered.
async fn passes_after_the_answer(lies: bool) -> bool {
    let (pair, id, key) = Pair::new().await;
    let [one, two] = &pair.cells;
    assert!(one.admits(&key).await && two.admits(&key).await);
    if lies {
        two.follower.parts.memory.trust_until(Tick(u64::MAX));
    }
    two.way.cut.store(true, Ordering::SeqCst);
    let mut answer = pair.revoke(id).await;
    assert!(two.follower.poll().await.is_err());
    tokio::time::sleep(Duration::from_millis(20)).await;
    assert!(answer.try_join_next().is_none(), "a replica that holds is waited for");
    assert!(two.admits(&key).await, "which is why");
    pair.clock.forward(LEASE);
    answer.join_next().await.unwrap().unwrap().unwrap();
    assert!(!one.admits(&key).await);
    two.admits(&key).await
}

#[tokio::test]
async fn a_replica_that_is_cut_off_admits_nobody_after_the_answer() {
    assert!(!passes_after_the_answer(false).await);
}

#[tokio::test]
async fn one_that_trusts_its_memory_beyond_its_lease_is_caught_by_the_same_test() {
    assert!(passes_after_the_answer(true).await);
}

/// Whether a replica admits a key whose look-up the revocation overtook.
async fn passes_after_a_late_fill(pair: &Pair, (id, key): (KeyId, PlainKey)) -> bool {
    let [_, two] = &pair.cells;
    two.follower.poll().await.unwrap();
    two.way.answers.forget_permits(1_000);
    let asked = two.way.asked.load(Ordering::SeqCst);
    let (gate, held) = (two.gate.clone(), key.clone());
    let mut early = JoinSet::new();
    early.spawn(async move { gate.caller(Presented::Value(held.reveal()), None).await.is_ok() });
    // The query has been answered, and its answer lies on the way.
    while two.way.asked.load(Ordering::SeqCst) == asked {
        tokio::task::yield_now().await;
    }
    let mut answer = pair.revoke(id).await;
    two.follower.poll().await.unwrap();
    answer.join_next().await.unwrap().unwrap().unwrap();
    two.way.answers.add_permits(1_000);
    early.join_next().await.unwrap().unwrap();
    two.admits(&key).await
}

/// `LATCHKEY_TEST_ROUNDS=1000` is the long form.
#[tokio::test]
async fn a_fill_that_the_revocation_overtook_is_not_remembered() {
    let (mut pair, first, _) = Pair::new().await;
    #[expect(clippy::disallowed_methods, reason = "how long a test runs is told to the test")]
    let told = std::env::var("LATCHKEY_TEST_ROUNDS").ok().and_then(|told| told.parse().ok());
    for _ in 0..told.unwrap_or(50) {
        let key = pair.another(first).await;
        assert!(!passes_after_a_late_fill(&pair, key).await, "what was read before is not remembered after");
    }
}

#[tokio::test]
async fn one_that_hears_of_no_change_is_caught_by_the_same_test() {
    let (mut pair, first, _) = Pair::new().await;
    let key = pair.another(first).await;
    pair.cells[1].go_deaf();
    assert!(passes_after_a_late_fill(&pair, key).await);
}
