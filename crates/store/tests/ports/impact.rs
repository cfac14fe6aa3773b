//! Counts of the keys, users and tenants that a change of a profile affects.

use latchkey_core::profile_change::{AffectedKeys, AffectedRecords, KeyGroup};
use latchkey_core::record::{KeyLifecycle, KeyRecord, TenantRecord};
use latchkey_core::time::Timestamp;
use latchkey_core::user::UserRecord;
use latchkey_management::password::PasswordHash;
use latchkey_management::ports::deletion::DeletionStore;
use latchkey_management::ports::impact::Impact;
use latchkey_management::ports::tokens::TokenStore;
use latchkey_management::ports::{AuditAction, ManagementStore};

use crate::database::{NOW, TestDatabase, audit, key, new};
use crate::tokens::user;

on_both![
    active_keys_of_the_profile_are_counted_by_their_format,
    keys_are_counted_by_scopes_and_environment,
    keys_of_a_scope_that_many_have_are_counted,
    tenants_are_counted_by_their_plan,
    users_without_an_environment_are_counted,
    a_tenant_that_is_being_deleted_is_not_counted,
    at_most_five_examples_are_read,
];

async fn count(database: &TestDatabase, affected: AffectedRecords) -> Impact {
    database.store.impact("paykore", &affected, NOW).await.unwrap()
}

fn groups(groups: &[(&str, &str, &str)]) -> AffectedRecords {
    let group = |(kind, environment, prefix): &(&str, &str, &str)| KeyGroup {
        kind: (*kind).into(),
        environment: (*environment).into(),
        prefix: (*prefix).into(),
    };
    AffectedRecords::Keys(AffectedKeys {
        groups: groups.iter().map(group).collect(),
        ..AffectedKeys::default()
    })
}

async fn active_keys_of_the_profile_are_counted_by_their_format(database: TestDatabase) {
    let other = TenantRecord { profile: "luxcore".into(), ..crate::database::tenant(2, "globex") };
    database.store.create_tenant(other.clone(), audit(AuditAction::TenantCreate)).await.unwrap();
    let later = Some(Timestamp(NOW.0 + 1));
    for key in [
        key(&database, 1),
        KeyRecord { expires: later, ..key(&database, 2) },
        KeyRecord { environment: "test".into(), prefix: "sk_test_".into(), ..key(&database, 3) },
        KeyRecord { kind: "restricted".into(), ..key(&database, 4) },
        KeyRecord { prefix: "old_".into(), ..key(&database, 5) },
        KeyRecord { expires: Some(NOW), ..key(&database, 6) },
        KeyRecord { lifecycle: KeyLifecycle::Disabled, ..key(&database, 7) },
        KeyRecord { tenant: other.id, ..key(&database, 8) },
    ] {
        database.make(key).await;
    }
    let live = ("secret", "live", "sk_live_");
    let found = count(&database, groups(&[live])).await;
    assert_eq!((found.count, found.more), (2, false), "{found:?}");
    let examples: Vec<_> =
        found.examples.iter().map(|one| (one.name.as_str(), one.tenant.as_str())).collect();
    assert_eq!(examples, [("key 1", "acme"), ("key 2", "acme")]);
    assert!(found.examples[0].id.starts_with("key_"), "{found:?}");
    assert_eq!(count(&database, groups(&[live, ("secret", "test", "sk_test_")])).await.count, 3);
    assert_eq!(count(&database, groups(&[("secret", "live", "SK_live_")])).await.count, 0);
    assert_eq!(count(&database, AffectedRecords::Keys(AffectedKeys::default())).await.count, 5);
    let none = database.store.impact("nothing", &groups(&[live]), NOW).await.unwrap();
    assert_eq!((none.count, none.examples.len()), (0, 0));
}

async fn keys_are_counted_by_scopes_and_environment(database: TestDatabase) {
    for (number, scopes, environment) in
        [(1, "a b", "live"), (2, "b", "test"), (3, "c", "live"), (4, "", "live")]
    {
        let scopes = scopes.split_whitespace().map(Into::into).collect();
        database.make(KeyRecord { scopes, environment: environment.into(), ..key(&database, number) }).await;
    }
    let with = |scopes: &[&str], environment: Option<&str>| {
        AffectedRecords::Keys(AffectedKeys {
            scopes: scopes.iter().map(|&scope| scope.into()).collect(),
            environment: environment.map(Into::into),
            ..AffectedKeys::default()
        })
    };
    assert_eq!(count(&database, with(&["a", "b"], None)).await.count, 2, "a key with both is counted once");
    assert_eq!(count(&database, with(&["b"], Some("live"))).await.count, 1);
    assert_eq!(count(&database, with(&[], Some("live"))).await.count, 3);
    assert_eq!(count(&database, with(&["d"], None)).await.count, 0);
}

async fn keys_of_a_scope_that_many_have_are_counted(database: TestDatabase) {
    let keys =
        (1..=1_100).map(|number| new(KeyRecord { scopes: vec!["a".into()], ..key(&database, number) }));
    database.store.create_keys(keys.collect(), audit(AuditAction::KeyImport)).await.unwrap();
    database.make(KeyRecord { scopes: vec!["b".into()], ..key(&database, 2_000) }).await;
    for (scopes, expected) in [(&["a"][..], 1_100), (&["a", "b"], 1_101), (&["b"], 1), (&["c"], 0)] {
        let scopes = scopes.iter().map(|&scope| scope.into()).collect();
        let keys = AffectedKeys { scopes, ..AffectedKeys::default() };
        assert_eq!(count(&database, AffectedRecords::Keys(keys)).await.count, expected);
    }
}

async fn tenants_are_counted_by_their_plan(database: TestDatabase) {
    for (number, slug, plan) in [(2, "globex", Some("big")), (3, "initech", Some("big")), (4, "hooli", None)]
    {
        let tenant = TenantRecord { plan: plan.map(Into::into), ..crate::database::tenant(number, slug) };
        database.store.create_tenant(tenant, audit(AuditAction::TenantCreate)).await.unwrap();
    }
    let found = count(&database, AffectedRecords::Tenants { plan: "big".into() }).await;
    let slugs: Vec<_> = found.examples.iter().map(|one| one.tenant.as_str()).collect();
    assert_eq!((found.count, slugs), (2, vec!["globex", "initech"]));
    let users = AffectedRecords::Users { roles: vec!["clerk".into()], environment: None };
    assert_eq!(count(&database, users).await.count, 0);
}

async fn users_without_an_environment_are_counted(database: TestDatabase) {
    for (number, environment, disabled) in
        [(1, None, false), (2, Some("live"), false), (3, None, true), (4, None, false)]
    {
        let environment = environment.map(Into::into);
        let record = UserRecord {
            environment,
            disabled,
            ..user(&database, number, &format!("u{number}@acme.example"))
        };
        let entry = audit(AuditAction::UserCreate);
        database.store.create_user(record, PasswordHash("x".into()), entry).await.unwrap();
    }
    let found = count(&database, AffectedRecords::UnconfinedUsers).await;
    let emails: Vec<_> = found.examples.iter().map(|one| one.name.as_str()).collect();
    assert_eq!((found.count, emails), (2, vec!["u1@acme.example", "u4@acme.example"]));
    let all = AffectedRecords::Users { roles: Vec::new(), environment: None };
    assert_eq!(count(&database, all).await.count, 3);
}

async fn a_tenant_that_is_being_deleted_is_not_counted(database: TestDatabase) {
    database.make(key(&database, 1)).await;
    let keys = || AffectedRecords::Keys(AffectedKeys::default());
    assert_eq!(count(&database, keys()).await.count, 1);
    database.store.begin_tenant_deletion(database.tenant, audit(AuditAction::TenantDelete)).await.unwrap();
    let found = count(&database, keys()).await;
    assert_eq!((found.count, found.examples.len()), (0, 0));
}

async fn at_most_five_examples_are_read(database: TestDatabase) {
    for number in 1..=12 {
        database.make(key(&database, number)).await;
    }
    let found = count(&database, AffectedRecords::Keys(AffectedKeys::default())).await;
    assert_eq!((found.count, found.examples.len()), (12, 5));
}
