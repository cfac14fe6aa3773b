//! Random generators for keys and identifiers, seeded by the operating system and passed to the parts that need them.

use std::sync::{Arc, Mutex, PoisonError};

use latchkey_core::secret::PlainKey;
use latchkey_management::operators;
use rand::SeedableRng as _;
use rand::rngs::{StdRng, SysError, SysRng};

/// Source of generators. Each is seeded from one that the operating system seeded at the start, so that the system's
/// random number generator cannot fail in the middle of a call.
#[derive(Clone)]
pub(crate) struct Randomness(Arc<Mutex<StdRng>>);

impl Randomness {
    /// Makes a source, seeded by the operating system.
    pub(crate) fn new() -> Result<Self, SysError> {
        Ok(Self(Arc::new(Mutex::new(StdRng::try_from_rng(&mut SysRng)?))))
    }

    /// Returns a new generator for one call.
    pub(crate) fn generator(&self) -> StdRng {
        StdRng::from_rng(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Generates a value for an operator's first key, for callers that start a server of their own.
pub fn new_root_key() -> Result<PlainKey, SysError> {
    Ok(operators::new_root_key_value(&mut Randomness::new()?.generator()))
}
