//! Look-ups that had no answer while a Check waited: they took too long, or the database could not be reached. Each is
//! repeated in the background with the deadline of management calls, and its result is cached, so that a database that is
//! far away or slow fails the first Checks of a key alone.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use latchkey_core::gate::{Gate, LookupSubject};
use latchkey_core::ports::Limiter;
use tokio::runtime::Handle;

/// Maximum number of look-ups at a time; further ones are left to the next Check.
const MAX_PENDING: usize = 256;

/// Handler of a look-up that had no answer.
pub(super) type LateHandler = Box<dyn Fn(LookupSubject) + Send + Sync>;

/// Repeats late look-ups by a gate whose store has the longer deadline.
pub(crate) struct LateLookups<L> {
    runtime: Handle,
    gate: Gate<L>,
    pending: Mutex<HashSet<LookupSubject>>,
}

impl<L: Limiter + 'static> LateLookups<L> {
    /// Returns a repeater that runs tasks of `runtime`.
    pub(crate) fn new(runtime: Handle, gate: Gate<L>) -> Arc<Self> {
        Arc::new(Self { runtime, gate, pending: Mutex::default() })
    }

    /// Starts a look-up, unless that subject is being looked up already or too many others are.
    pub(crate) fn start(self: &Arc<Self>, subject: LookupSubject) {
        let Some(pending) = PendingLookup::begin(Arc::clone(self), subject) else { return };
        self.runtime.spawn(async move {
            if let Err(error) = pending.owner.gate.preload(&pending.subject).await {
                tracing::debug!(error = %error.log_text(), "a late look-up failed; the next Check of its key looks it up again");
            }
        });
    }

    fn pending(&self) -> MutexGuard<'_, HashSet<LookupSubject>> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A look-up that is under way. Its subject can be looked up again when this is dropped.
struct PendingLookup<L: Limiter + 'static> {
    owner: Arc<LateLookups<L>>,
    subject: LookupSubject,
}

impl<L: Limiter + 'static> PendingLookup<L> {
    fn begin(owner: Arc<LateLookups<L>>, subject: LookupSubject) -> Option<Self> {
        let started = {
            let mut pending = owner.pending();
            pending.len() < MAX_PENDING && pending.insert(subject.clone())
        };
        // Made only then: its end removes the subject.
        started.then(|| Self { owner, subject })
    }
}

impl<L: Limiter + 'static> Drop for PendingLookup<L> {
    fn drop(&mut self) {
        self.owner.pending().remove(&self.subject);
    }
}

#[cfg(test)]
mod tests;
