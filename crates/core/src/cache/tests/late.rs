//! Tests of results that are cached although no caller waits for them any more.

use super::*;

/// Caches a result as a look-up without a guard does, which began before `meanwhile`.
fn load_late(cache: &ReplicaCache, result: LookupResult, meanwhile: impl FnOnce(&ReplicaCache)) {
    let start = cache.begin_read();
    meanwhile(cache);
    let changed_at = result.entry.as_ref().map_or(0, |(key, _)| key.revision);
    let read = KeyRead { start, revision: result.read_at.revision, changed_at };
    let entry = cache.key_entry(start, result);
    cache.insert_late_key(&HASH, entry.as_ref(), read);
}

#[test]
fn a_late_result_is_cached_until_the_key_changes() {
    let cache = ReplicaCache::new(1 << 20);
    load_late(&cache, read_at(3), |_| {});
    assert!(cache.get(&HASH).is_some());
    cache.apply(&key_changed(4));
    assert!(cache.get(&HASH).is_none());
}

#[tokio::test]
async fn a_late_result_from_before_a_change_or_a_reset_is_not_cached() {
    let cache = ReplicaCache::new(1 << 20);
    load_late(&cache, read_at(3), |cache| cache.apply(&key_changed(4)));
    assert!(cache.get(&HASH).is_none());
    load_late(&cache, read_at(4), |cache| cache.reset_to(4, Arc::default()));
    assert!(cache.get(&HASH).is_none());
    load_late(&cache, LookupResult { entry: None, read_at: ReadAt::revision(3) }, |_| {});
    assert!(matches!(cache.lookup(&HASH).await, CacheLookup::Miss(_)));
}

#[tokio::test]
async fn a_late_result_is_cached_while_another_look_up_is_under_way() {
    let cache = ReplicaCache::new(1 << 20);
    let CacheLookup::Miss(guard) = cache.lookup(&HASH).await else { panic!("nothing is cached") };
    let Err(waiting) = futures_poll_once(Box::pin(cache.lookup(&HASH))) else { panic!("it must wait") };
    load_late(&cache, read_at(3), |_| {});
    assert!(cache.get(&HASH).is_some(), "Checks that begin now find it");
    drop(guard);
    assert!(matches!(waiting.await, CacheLookup::Hit(_)));
    // A change takes it away, whichever of the two look-ups was cached.
    cache.apply(&key_changed(4));
    assert!(cache.get(&HASH).is_none());
}

#[tokio::test]
async fn a_look_up_that_ends_after_a_late_result_does_not_bring_an_old_state_back() {
    let cache = ReplicaCache::new(1 << 20);
    load(&cache, read_at(3), |cache| {
        load_late(cache, read_at(3), |_| {});
        cache.apply(&key_changed(4));
    })
    .await;
    assert!(cache.get(&HASH).is_none());
    load(&cache, changed_and_read_at(5, 5), |cache| load_late(cache, changed_and_read_at(5, 5), |_| {}))
        .await;
    assert!(cache.get(&HASH).is_some());
}

#[test]
fn a_late_result_with_a_change_stays_cached_when_the_feed_shows_the_change() {
    let cache = ReplicaCache::new(1 << 20);
    cache.set_applied(2);
    load_late(&cache, changed_and_read_at(4, 5), |_| {});
    cache.apply(&key_changed(4));
    assert!(cache.get(&HASH).is_some());
    cache.apply(&key_changed(6));
    assert!(cache.get(&HASH).is_none(), "the entry does not have this change");
}

#[tokio::test]
async fn a_late_result_never_outlives_a_change_that_another_look_up_has_read() {
    let late = || changed_and_read_at(8, 10);
    let newer = || {
        let mut result = changed_and_read_at(11, 11);
        result.entry.as_mut().unwrap().0.name = "newer".to_owned();
        result
    };
    // The other look-up ends before the late one, and after it.
    let before = ReplicaCache::new(1 << 20);
    before.set_applied(10);
    load(&before, newer(), |_| {}).await;
    load_late(&before, late(), |_| {});
    before.apply(&key_changed(11));
    assert_eq!(*before.get(&HASH).unwrap().record.name, *"newer");
    // The newer entry is evicted before the late result arrives.
    let evicted = ReplicaCache::new(1 << 20);
    evicted.set_applied(10);
    load(&evicted, newer(), |_| {}).await;
    evicted.remove_key(&HASH);
    load_late(&evicted, late(), |_| {});
    evicted.apply(&key_changed(11));
    assert!(evicted.get(&HASH).is_none(), "the late result does not have this change");
    let after = ReplicaCache::new(1 << 20);
    after.set_applied(10);
    load(&after, newer(), |cache| load_late(cache, late(), |_| {})).await;
    after.apply(&key_changed(11));
    assert!(after.get(&HASH).is_none(), "the late result does not have this change");
}
