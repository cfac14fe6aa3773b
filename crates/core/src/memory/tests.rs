//! What must never happen: an old state coming back after the feed has shown a newer one.

use super::*;
use crate::record::fixture::records;

fn found(revision: u64) -> Found {
    let (mut key, tenant) = records();
    key.hash = HASH;
    Found { known: Some((key, tenant)), revision }
}

const HASH: KeyHash = KeyHash([1; 32]);

fn key_changed(revision: u64) -> Change {
    Change { revision, subject: Changed::Key(HASH) }
}

async fn load(memory: &Memory, found: Found, meanwhile: impl FnOnce(&Memory)) {
    let Recall::Unknown(guard) = memory.recall(&HASH).await else { panic!("it is remembered already") };
    meanwhile(memory);
    let revision = found.revision;
    let entry = memory.entry(found, None);
    memory.fill(guard, &HASH, entry.as_ref(), revision);
}

#[tokio::test]
async fn a_loaded_key_is_remembered_until_it_changes() {
    let memory = Memory::new(10, 10);
    load(&memory, found(3), |_| {}).await;
    assert!(memory.get(&HASH).is_some());
    memory.apply(&key_changed(4));
    assert!(memory.get(&HASH).is_none());
}

#[tokio::test]
async fn a_fill_that_lost_to_a_change_is_not_remembered() {
    let memory = Memory::new(10, 10);
    load(&memory, found(3), |m| m.apply(&key_changed(4))).await;
    assert!(memory.get(&HASH).is_none());
}

#[tokio::test]
async fn an_absence_that_lost_to_a_creation_is_not_remembered() {
    let memory = Memory::new(10, 10);
    load(&memory, Found { known: None, revision: 3 }, |m| m.apply(&key_changed(4))).await;
    assert!(matches!(memory.recall(&HASH).await, Recall::Unknown(_)));
    load(&memory, Found { known: None, revision: 4 }, |_| {}).await;
    assert!(matches!(memory.recall(&HASH).await, Recall::Absent));
    memory.apply(&key_changed(5));
    assert!(matches!(memory.recall(&HASH).await, Recall::Unknown(_)));
}

#[tokio::test]
async fn a_changed_tenant_is_read_again() {
    let memory = Memory::new(10, 10);
    load(&memory, found(3), |_| {}).await;
    let entry = memory.get(&HASH).unwrap();
    let tenant = entry.tenant().unwrap().id;
    memory.apply(&Change { revision: 4, subject: Changed::Tenant(tenant) });
    assert!(entry.tenant().is_none());
    // A read from before the change doesn't bring the old tenant back; a later one brings the new one.
    assert!(memory.entry(found(3), None).unwrap().tenant().is_none());
    assert!(memory.entry(found(4), None).unwrap().tenant().is_some());
    assert!(entry.tenant().is_some());
}

#[tokio::test]
async fn one_caller_loads_and_the_next_takes_over_when_it_gives_up() {
    let memory = Arc::new(Memory::new(10, 10));
    let Recall::Unknown(first) = memory.recall(&HASH).await else { panic!() };
    let waiting = Box::pin(memory.recall(&HASH));
    let polled = futures_poll_once(waiting);
    let Err(waiting) = polled else { panic!("the second caller must wait") };
    drop(first);
    assert!(matches!(waiting.await, Recall::Unknown(_)));
}

fn futures_poll_once<F: Future + Unpin>(mut future: F) -> Result<F::Output, F> {
    let waker = std::task::Waker::noop();
    match std::pin::Pin::new(&mut future).poll(&mut std::task::Context::from_waker(waker)) {
        std::task::Poll::Ready(output) => Ok(output),
        std::task::Poll::Pending => Err(future),
    }
}

#[test]
fn memory_is_trusted_within_its_lease_alone() {
    let memory = Memory::new(10, 10);
    assert!(!memory.trusted(Tick(0)));
    memory.trust_until(Tick(100));
    memory.trust_until(Tick(50));
    assert!(memory.trusted(Tick(99)) && !memory.trusted(Tick(100)));
}

#[tokio::test]
async fn memory_is_bounded() {
    let memory = Memory::new(100, 100);
    for n in 0..10_000u32 {
        let mut hash = [0; 32];
        hash[..4].copy_from_slice(&n.to_be_bytes());
        let hash = KeyHash(hash);
        let Recall::Unknown(guard) = memory.recall(&hash).await else { panic!() };
        memory.fill(guard, &hash, memory.entry(found(1), None).as_ref(), 1);
    }
    assert!(memory.remembered() <= 100, "{}", memory.remembered());
}
