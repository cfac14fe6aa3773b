//! Callers of writes: one that has ended or has lost rights since it was authenticated changes nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use latchkey_core::error::{ManagementError, RequestError};
use latchkey_core::id::{KeyId, UserId};
use latchkey_core::limit::{BucketOwner, Limit, LimitOverrides};
use latchkey_core::record::{KeyLifecycle, KeyRecord, TenantRecord};
use latchkey_core::secret::KeyHash;
use latchkey_core::token::TokenSubject;
use latchkey_core::token::refresh::RefreshRecord;
use latchkey_core::user::UserRecord;
use latchkey_management::password::PasswordHash;
use latchkey_management::ports::bulk::{BulkChange, BulkStore};
use latchkey_management::ports::deletion::DeletionStore;
use latchkey_management::ports::tokens::TokenStore;
use latchkey_management::ports::{
    ActingCaller, ActingKey, ActingSubject, ActingUser, AuditAction, AuditEntry, KeyUpdateFn, ManagementStore,
};
use uuid::Uuid;

use crate::database::{NOW, TestDatabase, at_once, audit, family, key, new};
use crate::profile::apply;

on_both![
    a_key_that_ended_since_its_authentication_creates_nothing,
    a_key_of_a_suspended_tenant_creates_nothing,
    a_key_that_was_restricted_creates_nothing,
    a_key_that_was_renamed_or_extended_creates_keys,
    a_user_who_changed_since_the_authentication_creates_nothing,
    a_user_whose_profile_changed_since_the_authentication_creates_nothing,
    a_key_whose_profile_changed_since_its_authentication_creates_nothing,
    a_token_whose_family_ended_creates_nothing,
    a_key_may_end_itself,
    an_ended_key_ends_no_others,
    the_writes_of_an_ended_caller_fail_alone,
];

fn acting(key: &KeyRecord) -> ActingCaller {
    let KeyRecord { id, scopes, networks, limits, expires, .. } = key.clone();
    let acting = ActingKey { id, scopes, networks, limits, expires, profile_version: None };
    ActingCaller { subject: ActingSubject::Key(Box::new(acting)), family: None }
}

fn by(caller: ActingCaller, action: AuditAction) -> AuditEntry {
    AuditEntry { caller: Some(caller), ..audit(action) }
}

/// Creates a key for a caller. If the call is refused, nothing of it must be stored.
async fn create(database: &TestDatabase, caller: ActingCaller, number: u128) -> Result<(), RequestError> {
    let events = database.actions().await.len();
    let entry = by(caller, AuditAction::KeyCreate);
    match database.store.create_keys(vec![new(key(database, number))], entry).await {
        Ok(_) => Ok(()),
        Err(ManagementError::Request(refusal)) => {
            assert_eq!(database.actions().await.len(), events, "an event of a refused call");
            let stored = database.store.key(KeyId(Uuid::from_u128(number))).await.unwrap();
            assert_eq!(stored, None, "the key of a refused call");
            Err(refusal)
        }
        Err(ManagementError::System(error)) => panic!("{error}"),
    }
}

fn assert_ended(created: &Result<(), RequestError>) {
    assert!(matches!(created, Err(RequestError::Unauthenticated(_))), "{created:?}");
}

fn assert_lost_rights(created: &Result<(), RequestError>) {
    assert!(matches!(created, Err(RequestError::PermissionDenied(_))), "{created:?}");
}

async fn change(database: &TestDatabase, id: KeyId, to: fn(KeyRecord) -> KeyRecord) {
    let rule: KeyUpdateFn<'_> = Box::new(move |old| Ok(to(old.clone())));
    database.store.change_key(id, rule, audit(AuditAction::KeyUpdate)).await.unwrap();
}

async fn a_key_that_ended_since_its_authentication_creates_nothing(database: TestDatabase) {
    let endings: [fn(KeyRecord) -> KeyRecord; 3] = [
        |old| KeyRecord { lifecycle: old.lifecycle.revoke(NOW, "left".to_owned()).unwrap(), ..old },
        |old| KeyRecord { lifecycle: KeyLifecycle::Disabled, ..old },
        |old| KeyRecord { expires: Some(NOW), ..old },
    ];
    for (number, ending) in (10..).zip(endings) {
        let manager = database.make(key(&database, number)).await;
        create(&database, acting(&manager), number + 100).await.unwrap();
        change(&database, manager.id, ending).await;
        assert_ended(&create(&database, acting(&manager), number + 200).await);
    }
    let manager = database.make(key(&database, 20)).await;
    let _ = database.store.delete_key(manager.id, &|_| Ok(()), audit(AuditAction::KeyDelete)).await.unwrap();
    assert_ended(&create(&database, acting(&manager), 220).await);
}

async fn a_key_of_a_suspended_tenant_creates_nothing(database: TestDatabase) {
    let manager = database.make(key(&database, 10)).await;
    let suspend = Box::new(|old: &TenantRecord| Ok(TenantRecord { suspended: true, ..old.clone() }));
    let _ = database
        .store
        .change_tenant(database.tenant, suspend, audit(AuditAction::TenantSuspend))
        .await
        .unwrap();
    assert_ended(&create(&database, acting(&manager), 11).await);
}

async fn a_key_that_was_restricted_creates_nothing(database: TestDatabase) {
    let restrictions: [fn(KeyRecord) -> KeyRecord; 4] = [
        |old| KeyRecord { scopes: vec!["orders.read".into()], ..old },
        |old| KeyRecord { networks: vec!["192.0.2.0/24".parse().unwrap()], ..old },
        |old| KeyRecord { limits: one_per_second(), ..old },
        |old| KeyRecord { expires: Some(NOW.plus(Duration::from_hours(1))), ..old },
    ];
    for (number, restriction) in (10..).zip(restrictions) {
        let manager = database.make(key(&database, number)).await;
        create(&database, acting(&manager), number + 100).await.unwrap();
        change(&database, manager.id, restriction).await;
        assert_lost_rights(&create(&database, acting(&manager), number + 200).await);
        let restricted = database.store.key(manager.id).await.unwrap().unwrap();
        create(&database, acting(&restricted), number + 300).await.unwrap();
    }
}

fn one_per_second() -> LimitOverrides {
    let limit = Limit { tokens: 1, period: Duration::from_secs(1), burst: None };
    LimitOverrides([("default".into(), vec![(BucketOwner::Key, limit)])].into(), BTreeSet::new())
}

async fn a_key_that_was_renamed_or_extended_creates_keys(database: TestDatabase) {
    let expires = Some(NOW.plus(Duration::from_hours(1)));
    let networks = vec!["192.0.2.0/24".parse().unwrap()];
    let manager = database.make(KeyRecord { expires, networks, ..key(&database, 10) }).await;
    change(&database, manager.id, |mut old| {
        old.scopes.push("orders.read".into());
        old.networks = vec!["192.0.2.0/23".parse().unwrap()];
        KeyRecord { name: "renamed".into(), expires: None, ..old }
    })
    .await;
    create(&database, acting(&manager), 11).await.unwrap();
}

/// Stores a user of the test's tenant.
async fn ada(database: &TestDatabase) -> UserRecord {
    let ada = UserRecord {
        id: UserId(Uuid::from_u128(5)),
        tenant: database.tenant,
        email: "ada@example.com".to_owned(),
        role: "clerk".into(),
        bindings: BTreeMap::new(),
        environment: None,
        disabled: false,
        generation: 1,
        created: NOW,
        revision: 0,
    };
    let password = PasswordHash("$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHQ$aGFzaA".to_owned());
    let _ = database.store.create_user(ada.clone(), password, audit(AuditAction::UserCreate)).await.unwrap();
    ada
}

fn acting_user(user: &UserRecord, generation: u64, profile_version: Option<u64>) -> ActingCaller {
    let acting = ActingUser { id: user.id, generation, profile_version };
    ActingCaller { subject: ActingSubject::User(acting), family: None }
}

async fn a_user_who_changed_since_the_authentication_creates_nothing(database: TestDatabase) {
    let ada = ada(&database).await;
    let acting = |generation| acting_user(&ada, generation, None);
    create(&database, acting(1), 11).await.unwrap();
    let next = Box::new(|old: &UserRecord| {
        Ok(UserRecord { role: "cook".into(), generation: old.generation + 1, ..old.clone() })
    });
    let _ = database.store.change_user(ada.id, next, None, audit(AuditAction::UserUpdate)).await.unwrap();
    assert_lost_rights(&create(&database, acting(1), 12).await);
    create(&database, acting(2), 13).await.unwrap();
    let _ = database.store.delete_user(ada.id, &|_| Ok(()), audit(AuditAction::UserDelete)).await.unwrap();
    assert_ended(&create(&database, acting(2), 14).await);
}

/// Checks that a caller whose rights a version of the profile decided creates keys only while that is the newest one.
async fn only_the_newest_profile_creates(database: &TestDatabase, acting: impl Fn(u64) -> ActingCaller) {
    assert_lost_rights(&create(database, acting(1), 11).await);
    let _ = apply(&database.store, "paykore", "one").await;
    create(database, acting(1), 12).await.unwrap();
    let _ = apply(&database.store, "luxcore", "another").await;
    create(database, acting(1), 13).await.unwrap();
    let _ = apply(&database.store, "paykore", "two").await;
    assert_lost_rights(&create(database, acting(1), 14).await);
    create(database, acting(2), 15).await.unwrap();
}

async fn a_user_whose_profile_changed_since_the_authentication_creates_nothing(database: TestDatabase) {
    let ada = ada(&database).await;
    only_the_newest_profile_creates(&database, |version| acting_user(&ada, 1, Some(version))).await;
}

async fn a_key_whose_profile_changed_since_its_authentication_creates_nothing(database: TestDatabase) {
    let manager = database.make(key(&database, 10)).await;
    let of_version = |version| {
        let ActingSubject::Key(own) = acting(&manager).subject else { unreachable!() };
        let own = ActingKey { profile_version: Some(version), ..*own };
        ActingCaller { subject: ActingSubject::Key(Box::new(own)), family: None }
    };
    only_the_newest_profile_creates(&database, of_version).await;
    create(&database, acting(&manager), 16).await.unwrap();
}

async fn a_token_whose_family_ended_creates_nothing(database: TestDatabase) {
    let manager = database.make(key(&database, 10)).await;
    let family = family(&database, TokenSubject::Key(manager.id), 70);
    let first =
        RefreshRecord { hash: KeyHash::of("refresh 70"), scopes: Vec::new(), family: family.id, spent: None };
    let store = &database.store;
    store.create_family(family.clone(), first, u32::MAX, audit(AuditAction::TokenIssue)).await.unwrap();
    let by_token = || ActingCaller { family: Some(family.id), ..acting(&manager) };
    create(&database, by_token(), 11).await.unwrap();
    let _ = store.end_family(family.id, NOW, audit(AuditAction::TokenRevoke)).await.unwrap();
    assert_ended(&create(&database, by_token(), 12).await);
    create(&database, acting(&manager), 13).await.unwrap();
}

async fn a_key_may_end_itself(database: TestDatabase) {
    let manager = database.make(key(&database, 10)).await;
    let rule: KeyUpdateFn<'_> =
        Box::new(|old| Ok(KeyRecord { lifecycle: KeyLifecycle::Disabled, ..old.clone() }));
    let entry = by(acting(&manager), AuditAction::KeyUpdate);
    let written = database.store.change_key(manager.id, rule, entry).await.unwrap();
    assert_eq!(written.value.lifecycle, KeyLifecycle::Disabled);
}

async fn an_ended_key_ends_no_others(database: TestDatabase) {
    let manager = database.make(key(&database, 10)).await;
    let others = [database.make(key(&database, 11)).await, database.make(key(&database, 12)).await];
    let entry = || by(acting(&manager), AuditAction::KeyRevoke);
    let revoke = BulkChange::Revoke { reason: String::new() };
    let both = [manager.id, others[0].id];
    let done = database.store.change_keys(&both, &revoke, &|_, _| Ok(()), entry()).await.unwrap();
    assert_eq!(done.value.changed, 2, "its own key is among them");
    let refused = database.store.change_keys(&[others[1].id], &revoke, &|_, _| Ok(()), entry()).await;
    assert!(
        matches!(refused, Err(ManagementError::Request(RequestError::Unauthenticated(_)))),
        "{refused:?}"
    );
    assert_eq!(database.store.key(others[1].id).await.unwrap().as_ref(), Some(&others[1]));
}

async fn the_writes_of_an_ended_caller_fail_alone(database: TestDatabase) {
    let living = database.make(key(&database, 10)).await;
    let ended = database.make(key(&database, 11)).await;
    change(&database, ended.id, |old| KeyRecord { lifecycle: KeyLifecycle::Disabled, ..old }).await;
    let calls = (100..120).map(|number| {
        let (store, record) = (Arc::clone(&database.store), key(&database, number));
        let is_ended = number % 2 == 0;
        let caller = acting(if is_ended { &ended } else { &living });
        let entry = by(caller, AuditAction::KeyCreate);
        async move { (is_ended, store.create_keys(vec![new(record)], entry).await.is_ok()) }
    });
    for (is_ended, is_created) in at_once(calls).await {
        assert_eq!(is_created, !is_ended);
    }
    assert_eq!(database.actions().await.len(), 4 + 10, "a tenant, two keys, a change, and ten keys");
    assert_eq!(database.verify().await, Ok(14));
}
