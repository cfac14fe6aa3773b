//! Tests that an old state never comes back after the feed has shown a newer one, and that the cache keeps
//! its bounds.

use super::*;
use crate::id::TenantId;
use crate::record::KeyRecord;
use crate::record::fixture::records;

fn read_at(revision: u64) -> LookupResult {
    let (mut key, tenant) = records();
    key.hash = HASH;
    LookupResult { entry: Some((key, tenant)), revision }
}

const HASH: KeyHash = KeyHash([1; 32]);

fn key_changed(revision: u64) -> Change {
    Change { revision, subject: ChangeSubject::Key(HASH), effect: None, history: None }
}

async fn load(cache: &ReplicaCache, result: LookupResult, meanwhile: impl FnOnce(&ReplicaCache)) {
    let CacheLookup::Miss(guard) = cache.lookup(&HASH).await else { panic!("the key is cached already") };
    meanwhile(cache);
    let revision = result.revision;
    let entry = cache.key_entry(result);
    cache.fill(guard, &HASH, entry.as_ref(), revision);
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

#[tokio::test]
async fn a_negative_entry_that_lost_to_a_creation_is_not_cached() {
    let cache = ReplicaCache::new(1 << 20);
    load(&cache, LookupResult { entry: None, revision: 3 }, |cache| cache.apply(&key_changed(4))).await;
    assert!(matches!(cache.lookup(&HASH).await, CacheLookup::Miss(_)));
    load(&cache, LookupResult { entry: None, revision: 4 }, |_| {}).await;
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
    assert!(cache.key_entry(read_at(3)).unwrap().tenant().is_none());
    assert!(cache.key_entry(read_at(4)).unwrap().tenant().is_some());
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
    cache.fill(guard, &hash, cache.key_entry(result).as_ref(), 1);
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
        cache.fill(guard, &nth(n), None, 1);
    }
    assert!(cache.bytes() <= BYTES / 8, "{}", cache.bytes());
}
