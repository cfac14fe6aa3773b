//! Deletions of profiles.

use latchkey_core::error::{ManagementError, RequestError};
use latchkey_core::record::ProfileRecord;
use latchkey_management::ports::deletion::DeletionStore;
use latchkey_management::ports::{ApplyResult, AuditAction, ManagementStore, NewProfileVersion};

use crate::database::{TestDatabase, audit, tenant};

on_both![a_deleted_profile_continues_its_versions, a_profile_that_a_tenant_uses_is_kept];

pub(crate) async fn apply(database: &TestDatabase, document: &str) -> ProfileRecord {
    let stored = database.store.profiles().await.unwrap();
    let newest = stored.iter().map(|profile| profile.revision).max().unwrap_or_default();
    let version = NewProfileVersion { name: "shop", document, comment: "", expected_revision: newest };
    match database.store.apply_profile(version, audit(AuditAction::ProfileApply)).await.unwrap() {
        ApplyResult::Written(written) => written.value,
        ApplyResult::Conflict => panic!("no other profile was applied"),
    }
}

async fn a_deleted_profile_continues_its_versions(database: TestDatabase) {
    apply(&database, "one").await;
    let second = apply(&database, "two").await;
    let deleted = database.store.delete_profile("shop", audit(AuditAction::ProfileDelete)).await.unwrap();
    assert!(deleted.revision > second.revision);
    assert_eq!(database.store.profiles().await.unwrap(), []);
    for version in [None, Some(1), Some(2), Some(3)] {
        assert_eq!(database.store.profile("shop", version).await.unwrap(), None, "{version:?}");
    }
    let again = database.store.delete_profile("shop", audit(AuditAction::ProfileDelete)).await.unwrap();
    assert_eq!((again.changed, again.revision), (false, deleted.revision));
    let refused =
        database.store.delete_profile("store", audit(AuditAction::ProfileDelete)).await.unwrap_err();
    assert_eq!(refused, ManagementError::Request(RequestError::not_found("profile", "store")));
    let next = apply(&database, "two").await;
    assert_eq!((next.version, &*next.document), (4, "two"), "no number of a version is used twice");
}

async fn a_profile_that_a_tenant_uses_is_kept(database: TestDatabase) {
    let applied = apply(&database, "one").await;
    let shop = latchkey_core::record::TenantRecord { profile: "shop".into(), ..tenant(2, "globex") };
    let made = database.store.create_tenant(shop, audit(AuditAction::TenantCreate)).await.unwrap().value;
    let refused = database.store.delete_profile("shop", audit(AuditAction::ProfileDelete)).await.unwrap_err();
    assert!(refused.to_string().contains("globex"), "{refused}");
    assert_eq!(database.store.profiles().await.unwrap(), [applied]);
    assert_eq!(database.store.tenants_of_profile("shop", 10).await.unwrap(), std::slice::from_ref(&made));
    database.store.begin_tenant_deletion(made.id, audit(AuditAction::TenantDelete)).await.unwrap();
    database.store.delete_profile("shop", audit(AuditAction::ProfileDelete)).await.unwrap();
}
