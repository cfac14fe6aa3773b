//! Tenants.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use latchkey_core::error::{ManagementError, RequestError};
use latchkey_core::id::TenantId;
use latchkey_core::limit::{BucketOwner, Limit, LimitOverrides};
use latchkey_core::ports::{ChangeFeed, ChangeSubject};
use latchkey_core::record::{TenantRecord, TenantRef};
use latchkey_management::ports::deletion::DeletionStore;
use latchkey_management::ports::{
    AuditAction, ListRange, ManagementStore, Position, TenantFilter, TenantUpdateFn,
};
use uuid::Uuid;

use crate::database::{TestDatabase, at_once, audit, tenant};
use crate::profile_deletion::apply;

on_both![
    every_field_of_a_tenant_comes_back,
    a_slug_is_unique,
    one_of_twenty_parallel_tenants_gets_a_slug,
    a_tenant_is_suspended_by_a_rule,
    an_unknown_tenant_is_not_found,
    tenants_come_newest_first,
    no_tenant_is_made_for_a_profile_that_is_deleted_meanwhile,
    a_profile_is_deleted_or_gets_a_tenant,
];

async fn every_field_of_a_tenant_comes_back(database: TestDatabase) {
    let limit = Limit { tokens: 300, period: Duration::from_mins(1), burst: Some(50) };
    let limits =
        LimitOverrides([("default".into(), vec![(BucketOwner::Tenant, limit)])].into(), BTreeSet::new());
    let full = TenantRecord { plan: Some("gold".into()), suspended: true, limits, ..tenant(2, "globex") };
    let written = database.store.create_tenant(full.clone(), audit(AuditAction::TenantCreate)).await.unwrap();
    assert_eq!(written.value, TenantRecord { revision: written.revision, ..full });
    for name in [TenantRef::Slug("globex".into()), TenantRef::Id(written.value.id)] {
        assert_eq!(database.store.tenant(&name).await.unwrap().as_ref(), Some(&written.value));
    }
}

async fn a_slug_is_unique(database: TestDatabase) {
    let refused =
        database.store.create_tenant(tenant(2, "acme"), audit(AuditAction::TenantCreate)).await.unwrap_err();
    assert!(matches!(refused, ManagementError::Request(RequestError::AlreadyExists(_))), "{refused:?}");
    assert_eq!(database.store.revision().await.unwrap(), 1);
}

async fn one_of_twenty_parallel_tenants_gets_a_slug(database: TestDatabase) {
    let make = |number| {
        let store = Arc::clone(&database.store);
        async move { store.create_tenant(tenant(number, "globex"), audit(AuditAction::TenantCreate)).await }
    };
    let mut made = 0;
    for answer in at_once((10..30).map(make)).await {
        match answer {
            Ok(_) => made += 1,
            Err(ManagementError::Request(RequestError::AlreadyExists(_))) => {}
            Err(other) => panic!("{other:?}"),
        }
    }
    assert_eq!(made, 1);
    assert_eq!(database.store.revision().await.unwrap(), 2);
}

async fn a_tenant_is_suspended_by_a_rule(database: TestDatabase) {
    let suspend = || -> TenantUpdateFn<'static> {
        Box::new(|tenant| Ok(TenantRecord { suspended: true, ..tenant.clone() }))
    };
    let written = database
        .store
        .change_tenant(database.tenant, suspend(), audit(AuditAction::TenantSuspend))
        .await
        .unwrap();
    assert_eq!((written.value.suspended, written.revision, written.value.revision), (true, 2, 2));
    assert_eq!(
        database.store.changes(2, 10).await.unwrap()[0].subject,
        ChangeSubject::Tenant(database.tenant)
    );
    let again = database
        .store
        .change_tenant(database.tenant, suspend(), audit(AuditAction::TenantSuspend))
        .await
        .unwrap();
    assert_eq!((again.revision, again.changed, again.value), (2, false, written.value));
}

async fn an_unknown_tenant_is_not_found(database: TestDatabase) {
    let nobody = TenantId(Uuid::from_u128(404));
    let rule: TenantUpdateFn<'_> = Box::new(|tenant| Ok(tenant.clone()));
    let refused =
        database.store.change_tenant(nobody, rule, audit(AuditAction::TenantSuspend)).await.unwrap_err();
    assert_eq!(refused, ManagementError::Request(RequestError::not_found("tenant", &nobody)));
    assert_eq!(database.store.tenant(&TenantRef::Id(nobody)).await.unwrap(), None);
    assert_eq!(database.store.tenant(&TenantRef::Slug("ACME".into())).await.unwrap(), None);
}

async fn tenants_come_newest_first(database: TestDatabase) {
    for number in [4, 2, 3] {
        let made = tenant(number, &format!("tenant-{number}"));
        database.store.create_tenant(made, audit(AuditAction::TenantCreate)).await.unwrap();
    }
    let ids = |page: Vec<TenantRecord>| page.into_iter().map(|t| t.id.0.as_u128()).collect::<Vec<_>>();
    let part = async |after: Option<u128>| {
        let range = ListRange::newest(after.map(|id| Position::of(Uuid::from_u128(id))), 3);
        ids(database.store.tenants(&TenantFilter::default(), &range).await.unwrap().items)
    };
    assert_eq!(part(None).await, [4, 3, 2]);
    assert_eq!(part(Some(2)).await, [1]);
}

async fn no_tenant_is_made_for_a_profile_that_is_deleted_meanwhile(database: TestDatabase) {
    let of_shop = |number: u128| {
        let slug = format!("shop-{number}");
        database.store.create_tenant(
            TenantRecord { profile: "shop".into(), ..tenant(number, &slug) },
            audit(AuditAction::TenantCreate),
        )
    };
    apply(&database, "one").await;
    database.store.delete_profile("shop", audit(AuditAction::ProfileDelete)).await.unwrap();
    let refused = of_shop(2).await.unwrap_err();
    assert!(matches!(refused, ManagementError::Request(RequestError::FailedPrecondition(_))), "{refused:?}");
    assert_eq!(database.store.tenants_of_profile("shop", 1).await.unwrap(), []);
    apply(&database, "two").await;
    of_shop(2).await.unwrap();
}

async fn a_profile_is_deleted_or_gets_a_tenant(database: TestDatabase) {
    for number in 10..20 {
        apply(&database, "one").await;
        let slug = format!("shop-{number}");
        let shop = TenantRecord { profile: "shop".into(), ..tenant(number, &slug) };
        let id = shop.id;
        let (made, deleted) = tokio::join!(
            database.store.create_tenant(shop, audit(AuditAction::TenantCreate)),
            database.store.delete_profile("shop", audit(AuditAction::ProfileDelete)),
        );
        assert!(made.is_err() || deleted.is_err(), "both succeeded");
        database.store.begin_tenant_deletion(id, audit(AuditAction::TenantDelete)).await.ok();
    }
}
