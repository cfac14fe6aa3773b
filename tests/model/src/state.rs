//! State for the checker: a world whose hash is computed in one step, because it is computed for each step of a run.

use std::hash::{Hash, Hasher};
use std::ops::Deref;

use crate::world::World;

/// World that the checker stores and compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct State(pub World);

impl Deref for State {
    type Target = World;

    fn deref(&self) -> &World {
        &self.0
    }
}

impl Hash for State {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        let mut bytes = Bytes { bytes: [0; CAPACITY], length: 0 };
        self.0.hash(&mut bytes);
        hasher.write(&bytes.bytes[..bytes.length]);
    }
}

/// Number of bytes that a world's fields need at most.
const CAPACITY: usize = 512;

/// Collector of the bytes of a world's fields. Discriminants take one byte.
struct Bytes {
    bytes: [u8; CAPACITY],
    length: usize,
}

impl Hasher for Bytes {
    #[inline]
    fn write(&mut self, bytes: &[u8]) {
        self.bytes[self.length..self.length + bytes.len()].copy_from_slice(bytes);
        self.length += bytes.len();
    }

    #[inline]
    fn write_u8(&mut self, byte: u8) {
        self.bytes[self.length] = byte;
        self.length += 1;
    }

    /// Ignores the lengths of arrays, which are constant. A world has no other number of this type.
    #[inline]
    fn write_usize(&mut self, _: usize) {}

    #[inline]
    fn write_isize(&mut self, number: isize) {
        self.write_u8(number.to_le_bytes()[0]);
    }

    fn finish(&self) -> u64 {
        0
    }
}
