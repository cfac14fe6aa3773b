//! Denials of shadow mode: added once, summed over hours and replicas, named, and pruned in time.

use std::collections::BTreeMap;

use latchkey_core::error::SystemError;
use latchkey_core::ports::shadow::{ShadowCount, ShadowEntry, ShadowEntryHour};
use latchkey_core::ports::usage::{Hour, UsageBatch};
use latchkey_core::reason::{Reason, StoredReason};
use latchkey_core::time::Timestamp;
use latchkey_management::ports::AuditAction;
use latchkey_management::ports::deletion::DeletionStore;
use latchkey_management::ports::shadow::{ShadowFilter, ShadowTotal};
use latchkey_management::ports::usage::UsageStore;
use uuid::Uuid;

use crate::database::{TestDatabase, audit};

on_both![
    lines_of_two_replicas_add_up,
    lines_are_chosen_by_profile_tenant_and_hour,
    pages_go_on_behind_each_other,
    lines_have_the_names_of_now,
    old_lines_are_forgotten,
    a_reason_of_a_newer_version_has_its_name,
];

const NOW: Timestamp = Timestamp(1_763_000_000_000);

fn line(profile: &str, tenant: u128, reason: Reason) -> ShadowEntry {
    let id = Uuid::from_u128(tenant);
    ShadowEntry {
        profile: profile.into(),
        tenant: id,
        subject: id,
        subject_type: if tenant == 0 { "" } else { "key" }.into(),
        route: "POST /v1/items".into(),
        reason,
        detail: "items.write".into(),
    }
}

fn batch(number: u64, lines: impl IntoIterator<Item = (ShadowEntry, i64, u64)>) -> UsageBatch {
    let lines = lines.into_iter().map(|(line, hour, calls)| {
        let seen = ShadowCount { calls, last: Timestamp(hour * 3_600_000 + i64::try_from(calls).unwrap()) };
        ((line, Hour(hour)), seen)
    });
    let shadows: BTreeMap<ShadowEntryHour, ShadowCount> = lines.collect();
    UsageBatch { number, shadows, ..UsageBatch::default() }
}

/// Returns the stored line of an entry whose tenant and subject have no names.
fn total(entry: ShadowEntry, calls: u64, last: Timestamp) -> ShadowTotal {
    let entry = ShadowEntry {
        profile: entry.profile,
        tenant: entry.tenant,
        subject: entry.subject,
        subject_type: entry.subject_type,
        route: entry.route,
        reason: entry.reason.into(),
        detail: entry.detail,
    };
    let count = ShadowCount { calls, last };
    ShadowTotal { entry, count, tenant_slug: String::new(), subject_name: String::new() }
}

fn all() -> ShadowFilter {
    ShadowFilter { limit: 100, ..ShadowFilter::default() }
}

async fn denials(database: &TestDatabase, which: &ShadowFilter) -> Vec<(String, Reason, u64)> {
    let sums = database.store.shadows(which).await.unwrap();
    let reason = |name: &StoredReason| name.name().parse::<Reason>().unwrap();
    sums.into_iter()
        .map(|sum| (sum.entry.profile.into(), reason(&sum.entry.reason), sum.count.calls))
        .collect()
}

async fn lines_of_two_replicas_add_up(database: TestDatabase) {
    assert_eq!(denials(&database, &all()).await, []);
    let one = line("shop", 7, Reason::InsufficientScope);
    let unknown = line("shop", 0, Reason::MissingCredential);
    for _ in 0..2 {
        let lines = [(one.clone(), 7, 3), (one.clone(), 8, 2), (unknown.clone(), 7, 9)];
        database.store.add("r1", &batch(1, lines), NOW).await.unwrap();
    }
    database.store.add("r2", &batch(1, [(one.clone(), 7, 1)]), NOW).await.unwrap();
    let sums = database.store.shadows(&all()).await.unwrap();
    let last = |hour: i64, rest: i64| Timestamp(hour * 3_600_000 + rest);
    assert_eq!(sums, [total(unknown, 9, last(7, 9)), total(one, 6, last(8, 2))]);
}

async fn lines_are_chosen_by_profile_tenant_and_hour(database: TestDatabase) {
    let lines = [
        (line("a", 1, Reason::Revoked), 7, 1),
        (line("a", 2, Reason::Expired), 8, 2),
        (line("b", 1, Reason::Disabled), 9, 3),
    ];
    database.store.add("r1", &batch(1, lines), NOW).await.unwrap();
    let reasons = async |which: ShadowFilter| {
        denials(&database, &which).await.into_iter().map(|(_, reason, _)| reason).collect::<Vec<_>>()
    };
    let of = |profile: &str| ShadowFilter { profile: Some(profile.into()), ..all() };
    assert_eq!(reasons(of("a")).await, [Reason::Expired, Reason::Revoked]);
    assert_eq!(reasons(of("A")).await, []);
    let tenant = Some(Uuid::from_u128(1));
    assert_eq!(reasons(ShadowFilter { tenant, ..all() }).await, [Reason::Disabled, Reason::Revoked]);
    assert_eq!(reasons(ShadowFilter { tenant, ..of("a") }).await, [Reason::Revoked]);
    let since = ShadowFilter { from: Some(Hour(8)), ..all() };
    assert_eq!(reasons(since).await, [Reason::Disabled, Reason::Expired]);
}

async fn pages_go_on_behind_each_other(database: TestDatabase) {
    let many = (1..=250_u128).map(|n| (line("shop", n, Reason::Revoked), 7, u64::try_from(n).unwrap()));
    database.store.add("r1", &batch(1, many), NOW).await.unwrap();
    let page = async |offset| {
        let which = ShadowFilter { limit: 100, offset, ..all() };
        denials(&database, &which).await.into_iter().map(|(_, _, calls)| calls).collect::<Vec<_>>()
    };
    assert_eq!(page(0).await, (151..=250).rev().collect::<Vec<_>>());
    assert_eq!(page(200).await, (1..=50).rev().collect::<Vec<_>>());
    assert_eq!(page(250).await, Vec::<u64>::new());
}

async fn lines_have_the_names_of_now(database: TestDatabase) {
    let named = line("shop", database.tenant.0.as_u128(), Reason::Revoked);
    database.store.add("r1", &batch(1, [(named, 7, 1)]), NOW).await.unwrap();
    let sums = database.store.shadows(&all()).await.unwrap();
    assert_eq!(sums[0].tenant_slug, "acme");
    assert_eq!(sums[0].subject_name, "", "the key does not exist");
    database.store.begin_tenant_deletion(database.tenant, audit(AuditAction::TenantDelete)).await.unwrap();
    let sums = database.store.shadows(&all()).await.unwrap();
    assert_eq!((sums.len(), &*sums[0].tenant_slug), (1, ""), "a deleted tenant has no name");
}

async fn old_lines_are_forgotten(database: TestDatabase) {
    let lines = [(line("a", 1, Reason::Revoked), 7, 1), (line("a", 1, Reason::Revoked), 8, 4)];
    database.store.add("r1", &batch(1, lines), NOW).await.unwrap();
    assert_eq!(database.store.prune(Hour(8), Timestamp(0)).await.unwrap(), 1);
    assert_eq!(database.store.prune(Hour(8), Timestamp(0)).await.unwrap(), 0);
    assert_eq!(denials(&database, &all()).await, [("a".to_owned(), Reason::Revoked, 4)]);
}

async fn a_reason_of_a_newer_version_has_its_name(database: TestDatabase) {
    let lines = [(line("a", 1, Reason::Revoked), 7, 4), (line("a", 1, Reason::Expired), 7, 2)];
    database.store.add("r1", &batch(1, lines), NOW).await.unwrap();
    database.sql("UPDATE shadow_denials SET reason = 'QUOTA_2' WHERE reason = 'REVOKED'").await;
    let sums = database.store.shadows(&all()).await.unwrap();
    let counts: Vec<_> = sums.into_iter().map(|sum| (sum.entry.reason, sum.count.calls)).collect();
    assert_eq!(counts, [(StoredReason::Unknown("QUOTA_2".into()), 4), (Reason::Expired.into(), 2)]);
    // Text that is no name of a reason is a fault of the database, and no error repeats it.
    database.sql("UPDATE shadow_denials SET reason = 'canary 1' WHERE reason = 'QUOTA_2'").await;
    let fault = database.store.shadows(&all()).await;
    let Err(SystemError::Internal(text)) = fault else { panic!("{fault:?}") };
    assert!(text.contains("reason") && !text.contains("canary"), "{text}");
}
