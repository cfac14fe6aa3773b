//! Tests that an old state never comes back after the feed has shown a newer one, and that the cache keeps
//! its bounds.

mod late;
mod tenants;

use super::*;
use crate::id::TenantId;
use crate::ports::{ChangeEffect, LookupResult, ReadAt};
use crate::record::fixture::records;
use crate::record::{KeyRecord, TenantRecord};

fn read_at(revision: u64) -> LookupResult {
    let (mut key, tenant) = records();
    key.hash = HASH;
    LookupResult { entry: Some((key, tenant)), read_at: ReadAt::revision(revision) }
}

const HASH: KeyHash = KeyHash([1; 32]);
const START: ReadStart = ReadStart(0);
const READ: KeyRead = KeyRead { start: START, revision: 1, changed_at: 1 };

fn key_changed(revision: u64) -> Change {
    Change { revision, subject: ChangeSubject::Key(HASH), effect: None, history: None }
}

async fn load(cache: &ReplicaCache, result: LookupResult, meanwhile: impl FnOnce(&ReplicaCache)) {
    let CacheLookup::Miss(guard) = cache.lookup(&HASH).await else { panic!("the key is cached already") };
    let start = cache.begin_read();
    meanwhile(cache);
    let changed_at = result.entry.as_ref().map_or(0, |(key, _)| key.revision);
    let read = KeyRead { start, revision: result.read_at.revision, changed_at };
    let entry = cache.key_entry(start, result);
    cache.fill(guard, &HASH, entry.as_ref(), read);
}

#[tokio::test]
async fn a_loaded_key_is_cached_until_it_changes() {
    let cache = ReplicaCache::new(1 << 20);
    load(&cache, read_at(3), |_| {}).await;
    assert!(cache.get(&HASH).is_some());
    cache.apply(&key_changed(4));
    assert!(cache.get(&HASH).is_none());
}

#[tokio::test]
async fn a_fill_that_lost_to_a_change_is_not_cached() {
    let cache = ReplicaCache::new(1 << 20);
    load(&cache, read_at(3), |cache| cache.apply(&key_changed(4))).await;
    assert!(cache.get(&HASH).is_none());
}

/// Returns a key that was last changed at one revision and read at another.
fn changed_and_read_at(changed_at: u64, revision: u64) -> LookupResult {
    let mut result = read_at(revision);
    if let Some((key, _)) = &mut result.entry {
        key.revision = changed_at;
    }
    result
}

#[tokio::test]
async fn a_key_that_was_read_with_a_change_stays_cached_when_the_feed_shows_the_change() {
    for meanwhile in [None, Some(4)] {
        let cache = ReplicaCache::new(1 << 20);
        cache.set_applied(2);
        load(&cache, changed_and_read_at(4, 5), |cache| cache.set_applied(meanwhile.unwrap_or(2))).await;
        cache.apply(&key_changed(4));
        assert_eq!(cache.get(&HASH).is_some(), meanwhile.is_none(), "{meanwhile:?}");
        load_again(&cache, changed_and_read_at(4, 5)).await;
        cache.apply(&key_changed(6));
        assert!(cache.get(&HASH).is_none(), "the entry does not have this change");
    }
}

#[tokio::test]
async fn a_fill_that_was_refused_marks_no_key_as_ahead_of_the_feed() {
    let cache = ReplicaCache::new(1 << 20);
    let reset = |cache: &ReplicaCache| cache.reset_to(3, cache.key_ring());
    load(&cache, changed_and_read_at(5, 5), reset).await;
    load(&cache, changed_and_read_at(2, 3), |_| {}).await;
    cache.apply(&key_changed(5));
    assert!(cache.get(&HASH).is_none(), "the entry of the history that goes on does not have this change");
}

/// Loads the key if it is not cached.
async fn load_again(cache: &ReplicaCache, result: LookupResult) {
    if cache.get(&HASH).is_none() {
        load(cache, result, |_| {}).await;
    }
}

#[tokio::test]
async fn a_change_that_takes_access_away_removes_an_entry_that_seems_to_have_it() {
    let cache = ReplicaCache::new(1 << 20);
    load(&cache, changed_and_read_at(4, 5), |_| {}).await;
    cache.apply(&Change { effect: Some(ChangeEffect::Restricted), ..key_changed(4) });
    assert!(cache.get(&HASH).is_none());
    // An earlier change of a key that was read with a later one removes the entry too, which is read again.
    load(&cache, changed_and_read_at(7, 8), |_| {}).await;
    cache.apply(&key_changed(6));
    assert!(cache.get(&HASH).is_none());
}

#[tokio::test]
async fn nothing_that_was_read_before_a_reset_is_ahead_of_the_feed() {
    let cache = ReplicaCache::new(1 << 20);
    load(&cache, changed_and_read_at(4, 5), |_| {}).await;
    cache.record_read(cache.begin_read(), ReadAt::revision(5));
    cache.reset_to(2, Arc::default());
    assert_eq!(cache.reads().get().newest(), 0);
    load(&cache, changed_and_read_at(3, 4), |_| {}).await;
    cache.apply(&key_changed(4));
    assert!(cache.get(&HASH).is_none());
}

#[test]
fn states_are_compared_until_they_are_known_to_be_in_the_database() {
    let cache = ReplicaCache::new(1 << 20);
    let known = |revision: u64| (revision < 7).then_some([1; 32]);
    let read = |revision, history| {
        let read_at = ReadAt { revision, history, ..ReadAt::default() };
        cache.record_read(cache.begin_read(), read_at);
    };
    cache.set_applied(4);
    // What was read at an earlier state than the feed has shown was not cached.
    read(3, Some([9; 32]));
    read(5, Some([1; 32]));
    // The history at this revision is not known, and that of the other one was not read.
    read(8, Some([2; 32]));
    read(6, None);
    // The history at a revision is read only where the feed has not shown it.
    read(8, None);
    let reads = cache.reads().get();
    assert_eq!((reads.newest(), reads.differ_from(known), reads.are_mixed()), (8, false, false));
    read(6, Some([3; 32]));
    assert!(cache.reads().get().differ_from(known));
    // The same revision was read again meanwhile, with another history: it was not compared.
    cache.reads().forget(&reads, 6);
    assert_eq!(cache.reads().get().newest(), 8);
    assert!(cache.reads().get().differ_from(known));
    read(6, Some([4; 32]));
    assert!(cache.reads().get().are_mixed());
    cache.reads().forget(&cache.reads().get(), 8);
    assert_eq!(cache.reads().get().newest(), 0);
}

#[tokio::test]
async fn a_negative_entry_that_lost_to_a_creation_is_not_cached() {
    let cache = ReplicaCache::new(1 << 20);
    load(&cache, LookupResult { entry: None, read_at: ReadAt::revision(3) }, |cache| {
        cache.apply(&key_changed(4));
    })
    .await;
    assert!(matches!(cache.lookup(&HASH).await, CacheLookup::Miss(_)));
    load(&cache, LookupResult { entry: None, read_at: ReadAt::revision(4) }, |_| {}).await;
    assert!(matches!(cache.lookup(&HASH).await, CacheLookup::NegativeHit));
    cache.apply(&key_changed(5));
    assert!(matches!(cache.lookup(&HASH).await, CacheLookup::Miss(_)));
}

#[tokio::test]
async fn a_changed_tenant_is_read_again() {
    let cache = ReplicaCache::new(1 << 20);
    load(&cache, read_at(3), |_| {}).await;
    let entry = cache.get(&HASH).unwrap();
    let tenant = entry.tenant().unwrap().id;
    cache.apply(&Change { revision: 4, subject: ChangeSubject::Tenant(tenant), effect: None, history: None });
    assert!(entry.tenant().is_none());
    // A read from before the change does not bring the old tenant back. A later read stores the new one.
    assert!(cache.key_entry(START, read_at(3)).unwrap().tenant().is_none());
    assert!(cache.key_entry(START, read_at(4)).unwrap().tenant().is_some());
    assert!(entry.tenant().is_some());
}

#[tokio::test]
async fn one_caller_loads_and_the_next_takes_over_when_it_gives_up() {
    let cache = Arc::new(ReplicaCache::new(1 << 20));
    let CacheLookup::Miss(first) = cache.lookup(&HASH).await else { panic!() };
    let waiting = Box::pin(cache.lookup(&HASH));
    let polled = futures_poll_once(waiting);
    let Err(waiting) = polled else { panic!("the second caller must wait") };
    drop(first);
    assert!(matches!(waiting.await, CacheLookup::Miss(_)));
}

fn futures_poll_once<F: Future + Unpin>(mut future: F) -> Result<F::Output, F> {
    let waker = std::task::Waker::noop();
    match std::pin::Pin::new(&mut future).poll(&mut std::task::Context::from_waker(waker)) {
        std::task::Poll::Ready(output) => Ok(output),
        std::task::Poll::Pending => Err(future),
    }
}

#[test]
fn entries_are_used_within_the_lease_alone() {
    let cache = ReplicaCache::new(1 << 20);
    assert!(!cache.lease_valid(MonotonicInstant(0)));
    cache.extend_lease(MonotonicInstant(100));
    cache.extend_lease(MonotonicInstant(50));
    assert!(cache.lease_valid(MonotonicInstant(99)) && !cache.lease_valid(MonotonicInstant(100)));
}

/// Loads the n-th of many keys, after `vary` has changed its record.
async fn load_nth(cache: &ReplicaCache, n: u32, vary: impl Fn(&mut KeyRecord, &mut TenantRecord)) {
    let hash = nth(n);
    let CacheLookup::Miss(guard) = cache.lookup(&hash).await else { return };
    let mut result = read_at(1);
    if let Some((key, tenant)) = &mut result.entry {
        vary(key, tenant);
    }
    cache.fill(guard, &hash, cache.key_entry(START, result).as_ref(), READ);
}

fn nth(n: u32) -> KeyHash {
    let mut hash = [0; 32];
    hash[..4].copy_from_slice(&n.to_be_bytes());
    KeyHash(hash)
}

const BYTES: usize = 4 << 20;
/// Most bytes that keys and their shared values may take.
const FOR_KEYS: usize = BYTES / 4 * 3 + BYTES / 32;

#[tokio::test]
async fn the_cache_is_bounded_in_bytes_however_large_its_keys_are() {
    let sizes: [fn(u32) -> usize; 3] = [|_| 1, |_| 4_000, |n| if n % 2 == 0 { 1 } else { 4_000 }];
    for size in sizes {
        let cache = ReplicaCache::new(BYTES);
        for n in 0..20_000 {
            load_nth(&cache, n, |key, _| key.name = "n".repeat(size(n))).await;
            // Summing up the bytes takes longer than loading a key, so it is done at times.
            assert!(n % 64 > 0 || cache.bytes() <= FOR_KEYS, "{} after {n}", cache.bytes());
        }
        assert!(cache.bytes() > BYTES / 2 && cache.key_count() > 500, "{}", cache.key_count());
    }
}

#[tokio::test]
async fn shared_values_count_as_well() {
    let cache = ReplicaCache::new(BYTES);
    for n in 0..20_000u32 {
        load_nth(&cache, n, |key, tenant| {
            tenant.id = TenantId(uuid::Uuid::from_u128(n.into()));
            tenant.display_name = "d".repeat(200);
            key.scopes = vec![format!("scope.{n}").into()];
        })
        .await;
        assert!(n % 64 > 0 || cache.bytes() <= FOR_KEYS, "{} after {n}", cache.bytes());
    }
    assert!(cache.key_count() > 1_000, "{}", cache.key_count());
}

#[tokio::test]
async fn keys_of_one_kind_and_tenant_cost_less_than_three_hundred_bytes_each() {
    let cache = ReplicaCache::new(64 << 20);
    for n in 0..10_000 {
        load_nth(&cache, n, |key, _| key.name = format!("api-server-{n}")).await;
    }
    assert_eq!(cache.key_count(), 10_000);
    assert!(cache.bytes() < 300 * 10_000, "{}", cache.bytes());
}

#[tokio::test]
async fn used_keys_are_kept_when_others_are_evicted() {
    let cache = ReplicaCache::new(BYTES);
    let used = || (0..500).map(nth);
    for n in 0..50_000 {
        load_nth(&cache, n, |_, _| {}).await;
        // Each of the first 500 keys is looked up at times, the others never again.
        let _ = cache.get(&nth(n % 500));
    }
    let kept = used().filter(|hash| cache.get(hash).is_some()).count();
    assert!(kept >= 490, "{kept} of 500 used keys were kept");
}

#[tokio::test]
async fn unknown_keys_are_bounded_too() {
    let cache = ReplicaCache::new(BYTES);
    for n in 0..100_000 {
        let CacheLookup::Miss(guard) = cache.lookup(&nth(n)).await else { panic!() };
        cache.fill(guard, &nth(n), None, READ);
    }
    assert!(cache.bytes() <= BYTES / 8, "{}", cache.bytes());
}
