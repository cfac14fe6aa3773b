//! What things weigh in memory, in bytes, by how allocators hand out blocks. Estimates: what a bound in bytes
//! is kept by, checked against the process's own size by the program that measures it.

/// A block of so many bytes: in steps of a quarter of its power of two, 16 at least.
#[must_use]
pub(crate) fn block(bytes: usize) -> usize {
    match bytes {
        0 => 0,
        1..=128 => bytes.next_multiple_of(16),
        _ => bytes.next_multiple_of((bytes.next_power_of_two() / 8).max(1)),
    }
}

/// A text in a block of its own.
#[must_use]
pub(crate) fn text(text: &str) -> usize {
    block(text.len())
}

/// Something in an `Arc`, with its two counts.
#[must_use]
pub(crate) fn shared(bytes: usize) -> usize {
    block(bytes + 2 * size_of::<usize>())
}

/// A map in order of its names: its nodes hold eleven entries each, and are half full at least but for the first.
#[must_use]
pub(crate) fn map<K, V>(entries: usize) -> usize {
    let node = 11 * (size_of::<K>() + size_of::<V>()) + 16;
    entries.div_ceil(6) * block(node)
}
