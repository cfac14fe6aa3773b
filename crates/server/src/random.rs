//! Randomness for keys and identifiers: generators seeded by the operating system, handed to those who need
//! them, so that nothing else reaches for one.

use std::sync::{Arc, Mutex, PoisonError};

use latchkey_core::secret::PlainKey;
use latchkey_management::operators;
use rand::SeedableRng as _;
use rand::rngs::{StdRng, SysError, SysRng};

/// Where generators come from. Each is seeded from one that the operating system seeded at the start: the
/// system can then not fail in the middle of a call.
#[derive(Clone)]
pub(crate) struct Randomness(Arc<Mutex<StdRng>>);

impl Randomness {
    /// Seeded by the operating system.
    pub(crate) fn new() -> Result<Self, SysError> {
        Ok(Self(Arc::new(Mutex::new(StdRng::try_from_rng(&mut SysRng)?))))
    }

    /// A generator of its own for one call.
    pub(crate) fn generator(&self) -> StdRng {
        StdRng::from_rng(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A fresh value for an operator's first key, for whoever starts a server of its own.
pub fn new_root_key() -> Result<PlainKey, SysError> {
    Ok(operators::new_root_key_value(&mut Randomness::new()?.generator()))
}
