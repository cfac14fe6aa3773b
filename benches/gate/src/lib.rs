//! A gate over keys in a cache, for measurements: PayKore's own profile, the requested numbers of keys,
//! tenants, routes, scopes and profiles, and a store that knows every key.

mod store;
mod workload;

use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use latchkey_core::cache::ReplicaCache;
use latchkey_core::check_input::{CheckInput, PresentedCredential};
use latchkey_core::gate::{Gate, GateParts};
use latchkey_core::limit::local::LocalLimiter;
use latchkey_core::policy::Policy;
use latchkey_core::ports::{NoRenewal, Policies};
use latchkey_core::time::{Clock, Moment, MonotonicInstant, Timestamp};
use latchkey_core::usage::UsageTracker;
use latchkey_profile::Catalog;

use self::store::SyntheticStore;
pub use self::workload::Workload;

/// A gate and its parts.
pub struct GateFixture {
    /// The gate.
    pub gate: Gate<LocalLimiter>,
    /// The gate's cache.
    pub cache: Arc<ReplicaCache>,
    /// The profiles in force.
    pub catalog: Arc<Catalog>,
    workload: Workload,
}

impl GateFixture {
    /// Creates a gate of this size and looks each key up once.
    ///
    /// # Panics
    ///
    /// If a document does not compile, or a key is denied.
    #[must_use]
    pub fn new(workload: &Workload) -> Self {
        let fixture = Self::empty(workload);
        fixture.warm_cache(0..workload.keys);
        fixture
    }

    /// Creates a gate of this size with an empty cache.
    ///
    /// # Panics
    ///
    /// If a document does not compile.
    #[must_use]
    pub fn empty(workload: &Workload) -> Self {
        let catalog = Arc::new(Catalog::new());
        catalog.replace_all(workload.profiles());
        let cache = Arc::new(ReplicaCache::new(workload.cache_bytes()));
        cache.extend_lease(MonotonicInstant(u64::MAX));
        let gate = Gate::new(GateParts {
            store: Arc::new(SyntheticStore::new(workload)),
            policies: Arc::clone(&catalog) as Arc<dyn Policies>,
            limiter: LocalLimiter::new(),
            cache: Arc::clone(&cache),
            clock: Arc::new(FixedClock),
            usage: Arc::new(UsageTracker::new("bench".into())),
            lease: Arc::new(NoRenewal),
        });
        Self { gate, cache, catalog, workload: workload.clone() }
    }

    /// Looks up keys by their numbers, each once, without charging a bucket.
    ///
    /// # Panics
    ///
    /// If a key is denied.
    pub fn warm_cache(&self, keys: std::ops::Range<usize>) {
        let policy = self.policy();
        for number in keys {
            let value = self.key_value(number);
            let access =
                CheckInput { credential: PresentedCredential::of(&value), cost: 0, ..CheckInput::default() };
            let verdict = poll_ready(self.gate.check(Some(&policy), &access));
            assert!(verdict.is_ok_and(|verdict| verdict.denial().is_none()), "a valid key was denied");
        }
    }

    /// Returns the policy that applies to the keys.
    ///
    /// # Panics
    ///
    /// If the profile does not exist.
    #[must_use]
    pub fn policy(&self) -> Arc<Policy> {
        let policy = Policies::named(&*self.catalog, &self.workload.profile_name());
        policy.unwrap_or_else(|| panic!("the profile does not exist"))
    }

    /// Returns the value of the n-th key.
    #[must_use]
    pub fn key_value(&self, number: usize) -> String {
        format!("{}{number:064x}", self.workload.prefix())
    }
}

/// Runs a future that is ready at its first poll.
///
/// # Panics
///
/// If the future is pending.
pub fn poll_ready<F: Future>(future: F) -> F::Output {
    match std::pin::pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("a cached look-up was pending"),
    }
}

/// A constant clock: reading the real one is measured with the server.
struct FixedClock;

impl Clock for FixedClock {
    fn now(&self) -> Moment {
        Moment { wall: Timestamp(1_800_000_000_000), monotonic: MonotonicInstant(1) }
    }
}
