//! A gate over keys in memory, for measuring: PayKore's own profile, as many keys, tenants, routes, scopes and
//! profiles as are asked for, and a store that knows every key.

mod store;
mod workload;

use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use latchkey_core::cache::ReplicaCache;
use latchkey_core::check_input::{CheckInput, PresentedCredential};
use latchkey_core::gate::{Gate, GateParts};
use latchkey_core::limit::local::LocalLimiter;
use latchkey_core::policy::Policy;
use latchkey_core::ports::Policies;
use latchkey_core::time::{Clock, Moment, MonotonicInstant, Timestamp};
use latchkey_core::usage::UsageTracker;
use latchkey_profile::Catalog;

use self::store::SyntheticStore;
pub use self::workload::Workload;

/// A gate and what it is asked with.
pub struct GateFixture {
    /// The gate.
    pub gate: Gate<LocalLimiter>,
    /// What it remembers.
    pub memory: Arc<ReplicaCache>,
    /// The profiles in force.
    pub catalog: Arc<Catalog>,
    workload: Workload,
}

impl GateFixture {
    /// One of this shape, each of whose keys has been asked for once.
    ///
    /// # Panics
    /// When a document does not compile, or a key is denied.
    #[must_use]
    pub fn new(workload: &Workload) -> Self {
        let fixture = Self::empty(workload);
        fixture.warm_cache(0..workload.keys);
        fixture
    }

    /// One that remembers nothing yet.
    ///
    /// # Panics
    /// When a document does not compile.
    #[must_use]
    pub fn empty(workload: &Workload) -> Self {
        let catalog = Arc::new(Catalog::new());
        catalog.replace_all(workload.profiles());
        let memory = Arc::new(ReplicaCache::new(workload.memory()));
        memory.extend_lease(MonotonicInstant(u64::MAX));
        let gate = Gate::new(GateParts {
            store: Arc::new(SyntheticStore::new(workload)),
            policies: Arc::clone(&catalog) as Arc<dyn Policies>,
            limiter: LocalLimiter::new(),
            cache: Arc::clone(&memory),
            clock: Arc::new(FixedClock),
            usage: Arc::new(UsageTracker::new("bench".into())),
        });
        Self { gate, memory, catalog, workload: workload.clone() }
    }

    /// Asks about keys by their numbers, each once. Looking alone: no bucket is made.
    ///
    /// # Panics
    /// When one is denied.
    pub fn warm_cache(&self, keys: std::ops::Range<usize>) {
        let policy = self.policy();
        for number in keys {
            let value = self.key_value(number);
            let access =
                CheckInput { credential: PresentedCredential::of(&value), cost: 0, ..CheckInput::default() };
            let verdict = poll_ready(self.gate.check(Some(&policy), &access));
            assert!(verdict.is_ok_and(|verdict| verdict.denial().is_none()), "a good key was denied");
        }
    }

    /// The policy that keys are judged by.
    ///
    /// # Panics
    /// When it isn't there.
    #[must_use]
    pub fn policy(&self) -> Arc<Policy> {
        let policy = Policies::named(&*self.catalog, &self.workload.profile_name());
        policy.unwrap_or_else(|| panic!("the profile is gone"))
    }

    /// The n-th key's value.
    #[must_use]
    pub fn key_value(&self, number: usize) -> String {
        format!("{}{number:064x}", self.workload.prefix())
    }
}

/// Runs what has nothing to wait for.
///
/// # Panics
/// When it waits.
pub fn poll_ready<F: Future>(future: F) -> F::Output {
    match std::pin::pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("what was remembered had to wait"),
    }
}

/// A clock that stands still: reading the real one is measured with the server.
struct FixedClock;

impl Clock for FixedClock {
    fn now(&self) -> Moment {
        Moment { wall: Timestamp(1_800_000_000_000), monotonic: MonotonicInstant(1) }
    }
}
