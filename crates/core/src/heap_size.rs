//! Sizes of heap blocks in bytes, as allocators round them up. The results are estimates, by which a cache
//! keeps its limit in bytes. A benchmark compares them with the size of a process.

/// Returns the size of a block that holds `bytes` bytes: 16 at least, in steps of a quarter of the power of
/// two below.
#[must_use]
pub(crate) fn block(bytes: usize) -> usize {
    match bytes {
        0 => 0,
        1..=128 => bytes.next_multiple_of(16),
        _ => bytes.next_multiple_of((bytes.next_power_of_two() / 8).max(1)),
    }
}

/// Returns the size of a text in a block of its own.
#[must_use]
pub(crate) fn text(text: &str) -> usize {
    block(text.len())
}

/// Returns the size of a value of `bytes` bytes in an `Arc`, with its two counters.
#[must_use]
pub(crate) fn shared(bytes: usize) -> usize {
    block(bytes + 2 * size_of::<usize>())
}

/// Returns the size of the nodes of a `BTreeMap`. A node holds eleven entries and is at least half full,
/// except the first.
#[must_use]
pub(crate) fn map<K, V>(entries: usize) -> usize {
    let node = 11 * (size_of::<K>() + size_of::<V>()) + 16;
    entries.div_ceil(6) * block(node)
}
