//! Tests that a tenant's earlier state is never visible to the calls of its keys, not even for a moment.

use std::sync::atomic::AtomicBool;
use std::thread;

use super::*;

#[test]
fn a_tenant_that_was_read_before_a_change_is_not_seen_after_it() {
    let cache = ReplicaCache::new(1 << 20);
    let entry = cache.key_entry(START, read_at(3)).unwrap();
    let tenant = entry.tenant().unwrap().id;
    cache.apply(&Change { revision: 4, subject: ChangeSubject::Tenant(tenant), effect: None, history: None });
    let done = AtomicBool::new(false);
    let seen = thread::scope(|scope| {
        // Look-ups that began before the change end now, one after the other.
        scope.spawn(|| {
            (0..20_000).for_each(|_| drop(cache.key_entry(START, read_at(3))));
            done.store(true, Ordering::SeqCst);
        });
        let mut seen = false;
        while !done.load(Ordering::SeqCst) {
            seen |= entry.tenant().is_some();
        }
        seen
    });
    assert!(!seen, "a call that began after the change saw the tenant as it was before");
}
