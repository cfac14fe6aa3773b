//! Tests of a database that lost commits: lost revocations are written again before anything is trusted.

use latchkey_core::id::{FamilyId, KeyId, TenantId, UserId};
use latchkey_core::limit::LimitOverrides;
use latchkey_core::ports::KeyStore as _;
use latchkey_core::record::{KeyLifecycle, KeyRecord, TenantRecord, TenantRef};
use latchkey_core::secret::KeyHash;
use latchkey_core::token::refresh::{FamilyRecord, RefreshRecord};
use latchkey_core::token::{SigningAlgorithm, SigningKeyRecord, TokenSubject};
use latchkey_core::user::UserRecord;
use latchkey_management::password::PasswordHash;
use latchkey_management::ports::audit::{AuditFilter, AuditLog as _};
use latchkey_management::ports::tokens::TokenStore as _;
use latchkey_management::ports::{AuditAction, KeyUpdateFn};

use super::revocation::ReplicaPair;
use super::*;

/// Program that makes the database of its second argument a copy of that of its first one, in place.
const COPY: &str = "import sqlite3, sys
source, target = (sqlite3.connect(path, timeout=120) for path in sys.argv[1:])
source.backup(target)";

fn copy(folder: &TempDir, from: &str, to: &str) {
    let paths = [from, to].map(|name| folder.path().join(name));
    let copied = std::process::Command::new("python3").args(["-c", COPY]).args(paths).status();
    assert!(copied.unwrap().success());
}

/// Keeps the present state of the database.
fn keep(pair: &ReplicaPair) {
    copy(&pair.folder, "latchkey.db", "kept.db");
}

/// Restores the state that was kept, under the running replicas.
fn restore(pair: &ReplicaPair) {
    copy(&pair.folder, "kept.db", "latchkey.db");
}

const TENANT: TenantId = TenantId(uuid::Uuid::from_u128(1));
const USER: UserId = UserId(uuid::Uuid::from_u128(2));
const FAMILY: FamilyId = FamilyId(uuid::Uuid::from_u128(3));
const NOW: Timestamp = Timestamp(1_800_000_000_000);

fn tenant(id: TenantId, slug: &str) -> TenantRecord {
    TenantRecord {
        id,
        slug: slug.into(),
        display_name: "Acme".into(),
        profile: "demo".into(),
        plan: None,
        suspended: false,
        created: NOW,
        limits: LimitOverrides::default(),
        revision: 0,
    }
}

fn user() -> UserRecord {
    UserRecord {
        id: USER,
        tenant: TENANT,
        email: "ada@example.dev".into(),
        role: "clerk".into(),
        bindings: std::collections::BTreeMap::new(),
        environment: None,
        disabled: false,
        generation: 1,
        created: NOW,
        revision: 0,
    }
}

fn signing_key() -> SigningKeyRecord {
    SigningKeyRecord {
        id: "signing-1".into(),
        profile: "demo".into(),
        sealed: latchkey_core::seal::Sealed(vec![1; 40]),
        algorithm: SigningAlgorithm::Hs256,
        created: NOW,
        signs_from: NOW,
        signs_until: None,
        longest_ttl: Duration::from_secs(60),
        withdrawn: None,
    }
}

/// Creates one object of each type.
async fn create_all(store: &Store, parent: KeyId) {
    store.create_tenant(tenant(TENANT, "acme"), audit_entry(AuditAction::TenantCreate)).await.unwrap();
    store.create_user(user(), PasswordHash("x".into()), audit_entry(AuditAction::UserCreate)).await.unwrap();
    let family = FamilyRecord {
        id: FAMILY,
        tenant: TENANT,
        parent: TokenSubject::Key(parent),
        generation: 0,
        audience: "shop".into(),
        ttl: Duration::from_secs(60),
        created: NOW,
        ends: NOW.plus(Duration::from_secs(600)),
        ended: None,
    };
    let token = RefreshRecord { hash: KeyHash([1; 32]), family: FAMILY, scopes: vec![], spent: None };
    store.create_family(family, token, u32::MAX, audit_entry(AuditAction::TokenIssue)).await.unwrap();
    let rule = Box::new(|_: &[SigningKeyRecord]| Ok(vec![signing_key()]));
    store.change_signing_keys("demo", rule, NOW, audit_entry(AuditAction::SigningKeyCreate)).await.unwrap();
    apply(store, DOCUMENT).await;
}

/// Takes access away from one object of each type.
async fn take_all_away(pair: &ReplicaPair, key: KeyId) {
    let store = &pair.store;
    pair.write_revocation(key).await;
    let rule = Box::new(|tenant: &TenantRecord| Ok(TenantRecord { suspended: true, ..tenant.clone() }));
    store.change_tenant(TENANT, rule, audit_entry(AuditAction::TenantSuspend)).await.unwrap();
    let rule = Box::new(|user: &UserRecord| Ok(UserRecord { disabled: true, ..user.clone() }));
    store.change_user(USER, rule, None, audit_entry(AuditAction::UserDisable)).await.unwrap();
    store.end_family(FAMILY, NOW, audit_entry(AuditAction::TokenRevoke)).await.unwrap();
    let rule = Box::new(|keys: &[SigningKeyRecord]| {
        Ok(vec![SigningKeyRecord { withdrawn: Some(NOW), ..keys[0].clone() }])
    });
    store.change_signing_keys("demo", rule, NOW, audit_entry(AuditAction::SigningKeyWithdraw)).await.unwrap();
    apply(store, &format!("# stricter\n{DOCUMENT}")).await;
}

/// Returns the actions of the audit log that a recovery writes.
pub(super) async fn written_again(store: &Store) -> Vec<String> {
    let events = store.events(&AuditFilter::default(), None, 1_000).await.unwrap().events;
    let mut actions: Vec<String> = events.into_iter().map(|event| event.action).collect();
    actions.retain(|action| {
        action.ends_with("_again") || action.ends_with(".reapply") || action.starts_with("database.")
    });
    actions.sort();
    actions
}

/// Polls until the replica trusts its cache again; nothing is admitted in between.
async fn recovers(pair: &ReplicaPair, key: &latchkey_core::secret::PlainKey) {
    let [one, _] = &pair.replicas;
    for _ in 0..8 {
        assert!(!one.admits(key).await, "a key that was revoked here is admitted");
        one.follower.poll(true).await.unwrap();
        if one.follower.trusts() {
            return;
        }
    }
    panic!("the replica does not recover");
}

#[tokio::test]
async fn everything_that_was_taken_away_is_taken_away_again() {
    let (pair, id, key) = ReplicaPair::with([LEASE; 2]).await;
    let [one, _] = &pair.replicas;
    create_all(&pair.store, id).await;
    one.follower.poll(true).await.unwrap();
    assert!(one.admits(&key).await);
    keep(&pair);
    take_all_away(&pair, id).await;
    one.follower.poll(true).await.unwrap();
    assert!(!one.admits(&key).await);
    restore(&pair);
    let key_now = pair.store.key(id).await.unwrap().unwrap();
    assert_eq!(key_now.lifecycle, KeyLifecycle::Active, "the database has lost the revocation");
    recovers(&pair, &key).await;
    assert!(!one.admits(&key).await);
    let store = &pair.store;
    assert!(matches!(store.key(id).await.unwrap().unwrap().lifecycle, KeyLifecycle::Revoked { .. }));
    assert!(store.tenant(&TenantRef::Id(TENANT)).await.unwrap().unwrap().suspended);
    assert!(store.user(USER).await.unwrap().unwrap().disabled);
    assert!(store.family(FAMILY, "signing-1").await.unwrap().entry.unwrap().record.ended.is_some());
    assert!(store.signing_keys().await.unwrap().keys.iter().all(|key| key.withdrawn.is_some()));
    assert!(store.profiles().await.unwrap()[0].document.starts_with("# stricter"));
    assert_eq!(
        written_again(store).await,
        [
            "database.history_lost",
            "key.revoke_again",
            "profile.reapply",
            "signing_key.withdraw_again",
            "tenant.suspend_again",
            "token.revoke_again",
            "user.disable_again",
        ]
    );
    assert_eq!(one.follower.status().reapplied, 5);
}

/// Change of a record, as the first or the second of two.
type Step<T> = fn(T, u8) -> T;

/// Changes a key, a tenant and a user by rules that are called with 1 and then with 2.
async fn change_twice(
    store: &Store,
    id: KeyId,
    key: Step<KeyRecord>,
    tenant: Step<TenantRecord>,
    user: Step<UserRecord>,
) {
    for step in [1, 2] {
        let rule: KeyUpdateFn<'_> = Box::new(|before| Ok(key(before.clone(), step)));
        store.change_key(id, rule, audit_entry(AuditAction::KeyUpdate)).await.unwrap();
        let rule = Box::new(|before: &TenantRecord| Ok(tenant(before.clone(), step)));
        store.change_tenant(TENANT, rule, audit_entry(AuditAction::TenantUpdate)).await.unwrap();
        let rule = Box::new(|before: &UserRecord| Ok(user(before.clone(), step)));
        store.change_user(USER, rule, None, audit_entry(AuditAction::UserUpdate)).await.unwrap();
    }
}

#[tokio::test]
async fn a_restriction_that_a_later_change_kept_is_repeated_with_it() {
    let disable = |key: KeyRecord, step: u8| KeyRecord {
        lifecycle: KeyLifecycle::Disabled,
        name: step.to_string(),
        ..key
    };
    let narrow = |key: KeyRecord, step: u8| KeyRecord {
        networks: vec!["10.0.0.0/8".parse().unwrap()],
        name: step.to_string(),
        ..key
    };
    let suspend =
        |tenant, step: u8| TenantRecord { suspended: true, display_name: step.to_string(), ..tenant };
    let disable_user = |user, step: u8| UserRecord { disabled: true, email: format!("{step}@a.dev"), ..user };
    let end_tokens = |user, step: u8| UserRecord { generation: 2, email: format!("{step}@a.dev"), ..user };
    let cases: [(Step<KeyRecord>, Step<UserRecord>); 2] = [(disable, disable_user), (narrow, end_tokens)];
    for (of_key, of_user) in cases {
        let (pair, id, key) = ReplicaPair::with([LEASE; 2]).await;
        let (store, [one, _]) = (&pair.store, &pair.replicas);
        create_all(store, id).await;
        one.follower.poll(true).await.unwrap();
        keep(&pair);
        change_twice(store, id, of_key, suspend, of_user).await;
        one.follower.poll(true).await.unwrap();
        assert!(!one.admits(&key).await);
        restore(&pair);
        recovers(&pair, &key).await;
        assert_eq!(store.key(id).await.unwrap().unwrap().lifecycle, KeyLifecycle::Disabled);
        assert!(store.tenant(&TenantRef::Id(TENANT)).await.unwrap().unwrap().suspended);
        assert!(store.user(USER).await.unwrap().unwrap().disabled);
    }
}

#[tokio::test]
async fn a_forked_history_is_noticed_although_the_head_is_higher() {
    let (pair, id, key) = ReplicaPair::with([LEASE; 2]).await;
    let [one, two] = &pair.replicas;
    assert!(one.admits(&key).await);
    keep(&pair);
    pair.write_revocation(id).await;
    one.follower.poll(true).await.unwrap();
    let applied = one.follower.parts.cache.applied_revision();
    restore(&pair);
    for number in 10..14 {
        let other = tenant(TenantId(uuid::Uuid::from_u128(number)), &format!("tenant-{number}"));
        pair.store.create_tenant(other, audit_entry(AuditAction::TenantCreate)).await.unwrap();
    }
    assert!(pair.store.revision().await.unwrap() > applied);
    assert!(two.admits(&key).await, "a replica that has not applied the revocation cannot know it");
    recovers(&pair, &key).await;
    two.follower.poll(true).await.unwrap();
    two.follower.poll(true).await.unwrap();
    assert!(!two.admits(&key).await);
    assert_eq!(written_again(&pair.store).await, ["database.history_lost", "key.revoke_again"]);
}

#[tokio::test]
async fn a_write_after_a_loss_waits_for_this_replica_to_have_applied_it() {
    let (pair, id, key) = ReplicaPair::with([LEASE; 2]).await;
    let [one, two] = &pair.replicas;
    assert!(one.admits(&key).await);
    two.follower.leave().await;
    keep(&pair);
    for number in 10..14 {
        let other = tenant(TenantId(uuid::Uuid::from_u128(number)), &format!("tenant-{number}"));
        pair.store.create_tenant(other, audit_entry(AuditAction::TenantCreate)).await.unwrap();
    }
    one.follower.poll(true).await.unwrap();
    restore(&pair);
    // This takes a revision that the replica has applied in the history that was lost.
    let revision = pair.write_revocation(id).await.revision;
    assert!(revision < one.follower.parts.cache.applied_revision());
    let waited = wait_one_second(&one.follower, &pair.clock, revision).await;
    assert!(waited.is_err() || !one.admits(&key).await, "a key is admitted after its revocation");
}

#[tokio::test]
async fn a_gap_replaces_the_signing_keys_and_never_removes_them() {
    let (pair, id, _) = ReplicaPair::with([LEASE; 2]).await;
    let [one, _] = &pair.replicas;
    create_all(&pair.store, id).await;
    one.follower.poll(true).await.unwrap();
    let before = one.follower.parts.cache.key_ring();
    one.link.loses_changes.store(true, Ordering::SeqCst);
    apply(&pair.store, &format!("# again\n{DOCUMENT}")).await;
    one.link.store.close().await;
    assert!(one.follower.restart_from(before.revision).await.is_err());
    assert!(Arc::ptr_eq(&before, &one.follower.parts.cache.key_ring()), "nothing was swapped in");
}
