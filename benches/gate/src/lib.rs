//! A gate over keys in memory, for measuring: PayKore's own profile, as many keys, tenants, routes, scopes and
//! profiles as are asked for, and a store that knows every key.

mod shape;
mod store;

use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use latchkey_core::access::{Access, Presented};
use latchkey_core::gate::{Gate, GateParts};
use latchkey_core::limit::local::LocalLimiter;
use latchkey_core::memory::Memory;
use latchkey_core::policy::Policy;
use latchkey_core::ports::Policies;
use latchkey_core::time::{Clock, Moment, Tick, Timestamp};
use latchkey_core::usage::Usage;
use latchkey_profile::Catalog;

pub use self::shape::Shape;
use self::store::Store;

/// A gate and what it is asked with.
pub struct World {
    /// The gate.
    pub gate: Gate<LocalLimiter>,
    /// What it remembers.
    pub memory: Arc<Memory>,
    /// The profiles in force.
    pub catalog: Arc<Catalog>,
    shape: Shape,
}

impl World {
    /// One of this shape, each of whose keys has been asked for once.
    ///
    /// # Panics
    /// When a document does not compile, or a key is denied.
    #[must_use]
    pub fn new(shape: &Shape) -> Self {
        let world = Self::empty(shape);
        world.fill(0..shape.keys);
        world
    }

    /// One that remembers nothing yet.
    ///
    /// # Panics
    /// When a document does not compile.
    #[must_use]
    pub fn empty(shape: &Shape) -> Self {
        let catalog = Arc::new(Catalog::new());
        catalog.replace_all(shape.profiles());
        let memory = Arc::new(Memory::new(shape.memory()));
        memory.trust_until(Tick(u64::MAX));
        let gate = Gate::new(GateParts {
            store: Arc::new(Store::new(shape)),
            policies: Arc::clone(&catalog) as Arc<dyn Policies>,
            limiter: LocalLimiter::new(),
            memory: Arc::clone(&memory),
            clock: Arc::new(Still),
            usage: Arc::new(Usage::new("bench".into())),
        });
        Self { gate, memory, catalog, shape: shape.clone() }
    }

    /// Asks about keys by their numbers, each once. Looking alone: no bucket is made.
    ///
    /// # Panics
    /// When one is denied.
    pub fn fill(&self, keys: std::ops::Range<usize>) {
        let policy = self.policy();
        for number in keys {
            let value = self.value(number);
            let access = Access { credential: Presented::of(&value), cost: 0, ..Access::default() };
            let verdict = now(self.gate.check(Some(&policy), &access));
            assert!(verdict.is_ok_and(|verdict| verdict.denied().is_none()), "a good key was denied");
        }
    }

    /// The policy that keys are judged by.
    ///
    /// # Panics
    /// When it isn't there.
    #[must_use]
    pub fn policy(&self) -> Arc<Policy> {
        let policy = Policies::named(&*self.catalog, &self.shape.judging());
        policy.unwrap_or_else(|| panic!("the profile is gone"))
    }

    /// The n-th key's value.
    #[must_use]
    pub fn value(&self, number: usize) -> String {
        format!("{}{number:064x}", self.shape.prefix())
    }
}

/// Runs what has nothing to wait for.
///
/// # Panics
/// When it waits.
pub fn now<F: Future>(future: F) -> F::Output {
    match std::pin::pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("what was remembered had to wait"),
    }
}

/// A clock that stands still: reading the real one is measured with the server.
struct Still;

impl Clock for Still {
    fn now(&self) -> Moment {
        Moment { wall: Timestamp(1_800_000_000_000), tick: Tick(1) }
    }
}
