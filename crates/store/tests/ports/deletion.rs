//! Deletions: the access that ends, the data that is erased, and the records that stay.

use std::sync::Arc;

use latchkey_core::error::{ManagementError, RequestError};
use latchkey_core::id::{FamilyId, UserId};
use latchkey_core::ports::{ChangeEffect, ChangeFeed, ChangeSubject, KeyStore};
use latchkey_core::record::TenantRef;
use latchkey_core::secret::KeyHash;
use latchkey_core::token::TokenSubject;
use latchkey_core::token::refresh::RefreshRecord;
use latchkey_core::user::UserRecord;
use latchkey_management::password::PasswordHash;
use latchkey_management::ports::deletion::{DeletedObject, DeletionStore, ErasedObjects};
use latchkey_management::ports::tokens::TokenStore;
use latchkey_management::ports::{AuditAction, KeyFilter, ListRange, ManagementStore, NewKey, TenantFilter};
use uuid::Uuid;

use crate::database::{NOW, TestDatabase, at_once, audit, family, key, new, tenant};

on_both![
    a_deleted_key_is_gone_and_its_value_stays_taken,
    a_rule_keeps_a_key,
    a_deleted_user_leaves_the_address_free,
    a_tenant_ends_first_and_is_erased_in_batches,
    a_deletion_that_was_interrupted_is_continued,
    a_tenant_that_was_not_deleted_is_never_erased,
    a_deleted_operators_key_is_not_made_again,
    keys_are_made_and_refreshed_while_their_tenant_is_deleted,
];

fn user(database: &TestDatabase, number: u128, email: &str) -> UserRecord {
    UserRecord {
        id: UserId(Uuid::from_u128(number)),
        tenant: database.tenant,
        email: email.to_owned(),
        role: "clerk".into(),
        bindings: std::collections::BTreeMap::new(),
        environment: None,
        disabled: false,
        generation: 1,
        created: NOW,
        revision: 0,
    }
}

fn password() -> PasswordHash {
    PasswordHash("$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHQ$aGFzaA".to_owned())
}

async fn start_family(
    database: &TestDatabase,
    parent: TokenSubject,
    number: u128,
) -> Result<(), ManagementError> {
    let family = family(database, parent, number);
    let first = RefreshRecord {
        hash: KeyHash::of(&format!("refresh {number}")),
        scopes: Vec::new(),
        family: family.id,
        spent: None,
    };
    database.store.create_family(family, first, u32::MAX, audit(AuditAction::TokenIssue)).await
}

async fn a_deleted_key_is_gone_and_its_value_stays_taken(database: TestDatabase) {
    let made = database.make(key(&database, 7)).await;
    start_family(&database, TokenSubject::Key(made.id), 70).await.unwrap();
    let written =
        database.store.delete_key(made.id, &|_| Ok(()), audit(AuditAction::KeyDelete)).await.unwrap();
    assert_eq!(database.store.key(made.id).await.unwrap(), None);
    assert_eq!(database.store.key_by_hash(&made.hash).await.unwrap().entry, None);
    assert!(database.store.refresh_token(&KeyHash::of("refresh 70")).await.unwrap().is_none());
    let change = database.store.changes(written.revision, 10).await.unwrap().pop().unwrap();
    assert_eq!((change.subject, change.effect), (ChangeSubject::Key(made.hash), Some(ChangeEffect::Revoked)));
    let again =
        database.store.delete_key(made.id, &|_| Ok(()), audit(AuditAction::KeyDelete)).await.unwrap_err();
    assert_eq!(again, ManagementError::Request(RequestError::not_found("key", &made.id)));
    let deletion = database.store.deletion(&DeletedObject::Key(made.id)).await.unwrap().unwrap();
    assert_eq!((deletion.tenant, &*deletion.actor), (database.tenant, "operator"));
    assert_eq!((deletion.written.revision, deletion.written.history), (written.revision, written.history));
    let imported = NewKey {
        imported: true,
        ..new(latchkey_core::record::KeyRecord { hash: made.hash, ..key(&database, 8) })
    };
    let refused =
        database.store.create_keys(vec![imported], audit(AuditAction::KeyImport)).await.unwrap_err();
    let text = refused.to_string();
    assert!(text.contains("keys[0]") && text.contains("was deleted"), "{text}");
    assert_eq!(database.verify().await, Ok(4), "tenant, key, token and deletion");
}

async fn a_rule_keeps_a_key(database: TestDatabase) {
    let made = database.make(key(&database, 7)).await;
    let rule = |_: &_| Err(RequestError::FailedPrecondition("it is active".into()));
    let refused = database.store.delete_key(made.id, &rule, audit(AuditAction::KeyDelete)).await.unwrap_err();
    assert_eq!(refused, ManagementError::Request(RequestError::FailedPrecondition("it is active".into())));
    assert_eq!(database.store.key(made.id).await.unwrap(), Some(made.clone()));
    assert!(database.store.deletion(&DeletedObject::Key(made.id)).await.unwrap().is_none());
}

async fn a_deleted_user_leaves_the_address_free(database: TestDatabase) {
    let ada = user(&database, 5, "ada@example.com");
    let _ =
        database.store.create_user(ada.clone(), password(), audit(AuditAction::UserCreate)).await.unwrap();
    start_family(&database, TokenSubject::User(ada.id), 50).await.unwrap();
    let written =
        database.store.delete_user(ada.id, &|_| Ok(()), audit(AuditAction::UserDelete)).await.unwrap();
    let change = database.store.changes(written.revision, 10).await.unwrap().pop().unwrap();
    assert_eq!((change.subject, change.effect), (ChangeSubject::User(ada.id), Some(ChangeEffect::Disabled)));
    assert_eq!(database.store.user(ada.id).await.unwrap(), None);
    assert!(database.store.login_user(database.tenant, &ada.email).await.unwrap().is_none());
    assert!(database.store.refresh_token(&KeyHash::of("refresh 50")).await.unwrap().is_none());
    let refused = start_family(&database, TokenSubject::User(ada.id), 51).await.unwrap_err();
    assert!(matches!(refused, ManagementError::Request(RequestError::Unauthenticated(_))), "{refused:?}");
    let next = user(&database, 6, "ada@example.com");
    database.store.create_user(next, password(), audit(AuditAction::UserCreate)).await.unwrap();
    let deletion = database.store.deletion(&DeletedObject::User(ada.id)).await.unwrap().unwrap();
    assert_eq!(deletion.written.revision, written.revision);
}

/// Erases a tenant that has ended, and returns how much there was.
async fn erase(database: &TestDatabase) -> ErasedObjects {
    let mut all = ErasedObjects::default();
    loop {
        let batch = database.store.erase_tenant(database.tenant, "operator").await.unwrap();
        if batch.is_empty() {
            return all;
        }
        all.add(batch);
    }
}

async fn a_tenant_ends_first_and_is_erased_in_batches(database: TestDatabase) {
    let keys: Vec<NewKey> = (100..550).map(|number| new(key(&database, number))).collect();
    let hash = keys[0].record.hash;
    let _ = database.store.create_keys(keys, audit(AuditAction::KeyImport)).await.unwrap();
    let ada = user(&database, 5, "ada@example.com");
    let _ = database.store.create_user(ada, password(), audit(AuditAction::UserCreate)).await.unwrap();
    let begun = database
        .store
        .begin_tenant_deletion(database.tenant, audit(AuditAction::TenantDelete))
        .await
        .unwrap();
    let (_, owner) = database.store.key_by_hash(&hash).await.unwrap().entry.unwrap();
    assert!(owner.suspended && !owner.slug.contains("acme") && owner.display_name.is_empty());
    for name in [TenantRef::Slug("acme".into()), TenantRef::Id(database.tenant)] {
        assert_eq!(database.store.tenant(&name).await.unwrap(), None);
        let found = database.store.deletion(&DeletedObject::Tenant(name)).await.unwrap().unwrap();
        assert_eq!((found.tenant, found.written.revision), (database.tenant, begun.revision));
    }
    let all = database.store.tenants(&TenantFilter::default(), &ListRange::newest(None, 10)).await;
    assert_eq!(all.unwrap().items, []);
    let resume = Box::new(|tenant: &latchkey_core::record::TenantRecord| Ok(tenant.clone()));
    let refused =
        database.store.change_tenant(database.tenant, resume, audit(AuditAction::TenantResume)).await;
    assert_eq!(
        refused.unwrap_err(),
        ManagementError::Request(RequestError::not_found("tenant", &database.tenant))
    );
    database.store.create_tenant(tenant(2, "acme"), audit(AuditAction::TenantCreate)).await.unwrap();
    assert!(
        !database
            .store
            .finish_tenant_deletion(database.tenant, audit(AuditAction::TenantErase))
            .await
            .unwrap()
    );
    assert_eq!(erase(&database).await, ErasedObjects { keys: 450, users: 1 });
    assert!(
        database
            .store
            .finish_tenant_deletion(database.tenant, audit(AuditAction::TenantErase))
            .await
            .unwrap()
    );
    assert_eq!(database.store.key_by_hash(&hash).await.unwrap().entry, None);
    let actions = database.actions().await;
    assert_eq!(actions.last().map(String::as_str), Some("tenant.erase"));
    assert_eq!(database.verify().await, Ok(actions.len() as u64));
    assert!(
        database
            .store
            .finish_tenant_deletion(database.tenant, audit(AuditAction::TenantErase))
            .await
            .unwrap()
    );
    assert_eq!(database.actions().await.len(), actions.len(), "a repeated call writes nothing");
}

async fn a_deletion_that_was_interrupted_is_continued(database: TestDatabase) {
    let made = database.make(key(&database, 7)).await;
    let first = database
        .store
        .begin_tenant_deletion(database.tenant, audit(AuditAction::TenantDelete))
        .await
        .unwrap();
    let again = database
        .store
        .begin_tenant_deletion(database.tenant, audit(AuditAction::TenantDelete))
        .await
        .unwrap();
    assert_eq!((again.changed, again.revision, again.history), (false, first.revision, first.history));
    assert_eq!(erase(&database).await, ErasedObjects { keys: 1, users: 0 });
    let deletion = database.store.deletion(&DeletedObject::Key(made.id)).await.unwrap().unwrap();
    assert_eq!(deletion.written.revision, first.revision, "a key ends with its tenant");
    assert!(
        database
            .store
            .finish_tenant_deletion(database.tenant, audit(AuditAction::TenantErase))
            .await
            .unwrap()
    );
    let last = database
        .store
        .begin_tenant_deletion(database.tenant, audit(AuditAction::TenantDelete))
        .await
        .unwrap();
    assert_eq!((last.changed, last.revision), (false, first.revision));
}

async fn a_tenant_that_was_not_deleted_is_never_erased(database: TestDatabase) {
    let made = database.make(key(&database, 7)).await;
    assert!(database.store.erase_tenant(database.tenant, "operator").await.unwrap().is_empty());
    assert!(
        database
            .store
            .finish_tenant_deletion(database.tenant, audit(AuditAction::TenantErase))
            .await
            .unwrap()
    );
    assert!(database.store.key(made.id).await.unwrap().is_some());
    assert!(database.store.tenant(&TenantRef::Id(database.tenant)).await.unwrap().is_some());
}

async fn a_deleted_operators_key_is_not_made_again(database: TestDatabase) {
    let start = |number, insist| {
        database.store.bootstrap_operator(
            tenant(9, "latchkey"),
            key(&database, number),
            insist,
            audit(AuditAction::KeyFound),
        )
    };
    assert!(start(1, true).await.unwrap().value);
    let first = key(&database, 1);
    database.store.delete_key(first.id, &|_| Ok(()), audit(AuditAction::KeyDelete)).await.unwrap();
    assert!(!start(1, true).await.unwrap().value, "the value of a deleted key is never valid again");
    assert!(
        !start(2, false).await.unwrap().value,
        "a restart makes no new key for operators who deleted theirs"
    );
    assert!(start(3, true).await.unwrap().value, "another value that is insisted on");
}

async fn keys_are_made_and_refreshed_while_their_tenant_is_deleted(database: TestDatabase) {
    let database = Arc::new(database);
    let made = database.make(key(&database, 7)).await;
    let work = |number: u128| {
        let database = Arc::clone(&database);
        async move {
            if number == 10 {
                database
                    .store
                    .begin_tenant_deletion(database.tenant, audit(AuditAction::TenantDelete))
                    .await
                    .unwrap();
                loop {
                    erase(&database).await;
                    if database
                        .store
                        .finish_tenant_deletion(database.tenant, audit(AuditAction::TenantErase))
                        .await
                        .unwrap()
                    {
                        return;
                    }
                }
            }
            let created = database
                .store
                .create_keys(vec![new(key(&database, 1_000 + number))], audit(AuditAction::KeyCreate));
            if let Err(error) = created.await {
                assert!(matches!(error, ManagementError::Request(_)), "{error:?}");
            }
            if let Err(error) = start_family(&database, TokenSubject::Key(made.id), 2_000 + number).await {
                assert!(matches!(error, ManagementError::Request(_)), "{error:?}");
            }
        }
    };
    at_once((0..20).map(work)).await;
    let filter = KeyFilter::default();
    let left = database.store.keys(&filter, &ListRange::newest(None, 10)).await;
    assert_eq!(left.unwrap().items, []);
    for number in 0..20 {
        let id = FamilyId(Uuid::from_u128(2_000 + number));
        assert_eq!(database.store.family_by_id(id).await.unwrap(), None);
    }
}
