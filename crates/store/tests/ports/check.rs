//! Check's look-up of a key by its hash.

use std::collections::BTreeSet;
use std::time::Duration;

use latchkey_core::error::SystemError;
use latchkey_core::id::KeyId;
use latchkey_core::limit::{BucketOwner, Limit, LimitOverrides};
use latchkey_core::ports::KeyStore;
use latchkey_core::record::{KeyLifecycle, KeyRecord, TenantRef};
use latchkey_core::seal::Sealed;
use latchkey_core::secret::KeyHash;
use latchkey_core::time::Timestamp;
use latchkey_management::ports::{AuditAction, ManagementStore};
use uuid::Uuid;

use crate::database::{TestDatabase, audit, key, pairs, tenant};

on_both![
    every_field_of_a_key_comes_back,
    a_revoked_key_comes_back_revoked,
    a_key_comes_with_its_tenant_and_the_revision_it_was_read_at,
    a_key_without_scopes_has_none,
    an_unknown_hash_finds_nothing_at_a_revision,
    many_keys_at_once_are_each_found_with_their_own_scopes_or_not_at_all,
    a_corrupt_key_among_many_fails_alone,
];

fn full(database: &TestDatabase) -> KeyRecord {
    let limit = Limit { tokens: 300, period: Duration::from_mins(1), burst: Some(50) };
    KeyRecord {
        scopes: vec!["Payments.read".into(), "payments.read".into(), "payments.write".into()],
        bindings: pairs(&[("merchant", "m_1"), ("\"quoted\"", "☃ \\ '; DROP TABLE keys --")]),
        networks: vec!["10.0.0.0/8".parse().unwrap(), "2001:db8::/32".parse().unwrap()],
        limits: LimitOverrides(
            [("default".into(), vec![(BucketOwner::Key, limit), (BucketOwner::Ip, limit)])].into(),
            BTreeSet::from(["default".into()]),
        ),
        metadata: pairs(&[("team", "checkout")]),
        lifecycle: KeyLifecycle::Disabled,
        expires: Some(Timestamp(1_800_000_000_001)),
        rotated_from: Some(KeyId(Uuid::from_u128(77))),
        rotated_to: Some(KeyId(Uuid::from_u128(78))),
        sealed: Some(Sealed(vec![0, 1, 255])),
        last_used: Some(Timestamp(-5)),
        ..key(database, 7)
    }
}

async fn every_field_of_a_key_comes_back(database: TestDatabase) {
    let key = database.make(full(&database)).await;
    assert_eq!(key, KeyRecord { revision: key.revision, ..full(&database) });
    let found = database.store.key_by_hash(&key.hash).await.unwrap();
    assert_eq!(found.entry.unwrap().0, key);
    assert_eq!(database.store.key(key.id).await.unwrap(), Some(key));
}

async fn a_revoked_key_comes_back_revoked(database: TestDatabase) {
    let key = database.make(key(&database, 7)).await;
    let lifecycle = KeyLifecycle::Revoked { at: Timestamp(3), reason: "leaked".into() };
    let rule = |key: &KeyRecord| Ok(KeyRecord { lifecycle: lifecycle.clone(), ..key.clone() });
    let revoked =
        database.store.change_key(key.id, Box::new(rule), audit(AuditAction::KeyRevoke)).await.unwrap();
    assert_eq!(revoked.value.lifecycle, lifecycle);
    let found = database.store.key_by_hash(&key.hash).await.unwrap();
    assert_eq!(found.entry.unwrap().0, revoked.value);
}

async fn a_key_comes_with_its_tenant_and_the_revision_it_was_read_at(database: TestDatabase) {
    let key = database.make(key(&database, 7)).await;
    let found = database.store.key_by_hash(&key.hash).await.unwrap();
    let tenant = database.store.tenant(&TenantRef::Id(database.tenant)).await.unwrap();
    assert_eq!(found.entry.map(|(_, tenant)| tenant), tenant);
    assert_eq!(found.read_at.revision, key.revision);
    assert_eq!(found.read_at.revision, database.store.revision().await.unwrap());
}

async fn a_key_without_scopes_has_none(database: TestDatabase) {
    let key = database.make(KeyRecord { scopes: Vec::new(), ..key(&database, 7) }).await;
    let found = database.store.key_by_hash(&key.hash).await.unwrap();
    assert_eq!(found.entry.unwrap().0.scopes, Vec::<Box<str>>::new());
}

async fn an_unknown_hash_finds_nothing_at_a_revision(database: TestDatabase) {
    let key = database.make(key(&database, 7)).await;
    let found = database.store.key_by_hash(&KeyHash::of("another value")).await.unwrap();
    assert!(found.entry.is_none());
    assert_eq!(found.read_at.revision, key.revision);
}

async fn many_keys_at_once_are_each_found_with_their_own_scopes_or_not_at_all(database: TestDatabase) {
    let other = tenant(2, "globex");
    database.store.create_tenant(other.clone(), audit(AuditAction::TenantCreate)).await.unwrap();
    let mut made = Vec::new();
    for number in 1..=9 {
        let scopes = (0..number % 3).map(|n| format!("scope.{number}.{n}").into()).collect();
        let tenant = if number % 2 == 0 { other.id } else { database.tenant };
        let key = KeyRecord { scopes, tenant, ..key(&database, number) };
        made.push(database.make(key).await);
    }
    // Known and unknown keys, a duplicate, and more than a statement's largest size.
    let unknown = (0..300).map(|n| KeyHash::of(&format!("unknown {n}")));
    let hashes: Vec<KeyHash> =
        made.iter().rev().map(|key| key.hash).chain(unknown).chain([made[0].hash]).collect();
    let found = database.store.keys_by_hash(&hashes).await;
    assert_eq!(found.len(), hashes.len());
    let revision = database.store.revision().await.unwrap();
    for (hash, found) in hashes.iter().zip(found) {
        let found = found.unwrap();
        assert_eq!(found.read_at.revision, revision);
        let wanted = made.iter().find(|key| key.hash == *hash);
        assert_eq!(found.entry.as_ref().map(|(key, _)| key), wanted);
        assert!(found.entry.is_none_or(|(key, tenant)| key.tenant == tenant.id));
    }
    assert!(database.store.keys_by_hash(&[]).await.is_empty());
}

async fn a_corrupt_key_among_many_fails_alone(database: TestDatabase) {
    let mut hashes = Vec::new();
    for number in 1..=5 {
        hashes.push(database.make(key(&database, number)).await.hash);
    }
    let corrupt_id = database.sql_id(key(&database, 3).id);
    database.sql(&format!("UPDATE keys SET state = 'canary' WHERE id = {corrupt_id}")).await;
    let found = database.store.keys_by_hash(&hashes).await;
    let fates: Vec<_> = found.iter().map(|found| found.as_ref().map(|found| found.entry.is_some())).collect();
    assert!(matches!(fates[2], Err(SystemError::Internal(_))), "{fates:?}");
    assert!([0, 1, 3, 4].iter().all(|database| fates[*database] == Ok(true)), "{fates:?}");
}
