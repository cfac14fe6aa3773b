//! Filters and orders of lists of tenants, users and audit events.

use latchkey_core::record::TenantRecord;
use latchkey_core::time::Timestamp;
use latchkey_core::user::UserRecord;
use latchkey_management::password::PasswordHash;
use latchkey_management::ports::audit::{ActionFilter, AuditFilter, AuditLog};
use latchkey_management::ports::tokens::TokenStore;
use latchkey_management::ports::{
    AuditAction, AuditEntry, ListRange, ManagementStore, TenantFilter, TenantOrder, TimeRange, UserFilter,
    UserOrder,
};

use crate::database::{TestDatabase, audit, key, new, tenant};
use crate::tokens::user;

on_both![
    tenants_are_found_and_ordered,
    users_are_found_and_ordered,
    events_are_found_by_actor_action_and_target,
    a_rare_event_behind_many_is_reached_by_pages,
];

async fn tenants_are_found_and_ordered(database: TestDatabase) {
    let rows =
        [("globex", "Globex AG", None), ("zeta", "acme's friend", Some("pro")), ("umbrella", "Ünal", None)];
    for (number, (slug, name, plan)) in (2..).zip(rows) {
        let record = TenantRecord {
            display_name: name.into(),
            plan: plan.map(Into::into),
            suspended: number == 2,
            created: Timestamp(i64::try_from(number).unwrap()),
            ..tenant(number, slug)
        };
        database.store.create_tenant(record, audit(AuditAction::TenantCreate)).await.unwrap();
    }
    let listed = async |filter: TenantFilter, order, descending| {
        let (mut range, mut seen) = (ListRange { order, descending, after: None, limit: 1 }, Vec::new());
        loop {
            let part = database.store.tenants(&filter, &range).await.unwrap();
            seen.extend(part.items.into_iter().map(|tenant| tenant.id.0.as_u128()));
            match part.next {
                Some(next) => range.after = Some(next),
                None => return seen,
            }
        }
    };
    let found = async |filter| listed(filter, TenantOrder::Created, true).await;
    let filter = TenantFilter::default;
    assert_eq!(found(TenantFilter { name: Some("ACME".into()), ..filter() }).await, [3, 1]);
    assert_eq!(found(TenantFilter { name: Some("ünal".into()), ..filter() }).await, [4]);
    assert_eq!(found(TenantFilter { suspended: Some(true), ..filter() }).await, [2]);
    assert_eq!(found(TenantFilter { suspended: Some(false), ..filter() }).await, [4, 3, 1]);
    assert_eq!(found(TenantFilter { plan: Some("pro".into()), ..filter() }).await, [3]);
    assert_eq!(found(TenantFilter { profile: Some("other".into()), ..filter() }).await, []);
    assert_eq!(found(TenantFilter { except: Some("acme"), ..filter() }).await, [4, 3, 2]);
    let created = TimeRange { from: Some(Timestamp(3)), until: Some(Timestamp(4)) };
    assert_eq!(found(TenantFilter { created, ..filter() }).await, [3]);
    assert_eq!(listed(filter(), TenantOrder::Slug, false).await, [1, 2, 4, 3]);
    assert_eq!(listed(filter(), TenantOrder::Slug, true).await, [3, 4, 2, 1]);
    let without = TenantFilter { except: Some("umbrella"), ..filter() };
    assert_eq!(listed(without, TenantOrder::Name, false).await, [1, 3, 2]);
}

async fn users_are_found_and_ordered(database: TestDatabase) {
    let other = tenant(2, "globex");
    database.store.create_tenant(other.clone(), audit(AuditAction::TenantCreate)).await.unwrap();
    let rows = [
        ("zoe@acme.example", "admin", false),
        ("ada@acme.example", "viewer", true),
        ("ada@globex.example", "admin", false),
    ];
    for (number, (email, role, disabled)) in (1..).zip(rows) {
        let owner = if number == 3 { other.id } else { database.tenant };
        let record = UserRecord {
            tenant: owner,
            role: role.into(),
            disabled,
            environment: (number == 1).then(|| "live".into()),
            ..user(&database, number, email)
        };
        database
            .store
            .create_user(record, PasswordHash("x".into()), audit(AuditAction::UserCreate))
            .await
            .unwrap();
    }
    let listed = async |filter: UserFilter, order, descending| {
        let (mut range, mut seen) = (ListRange { order, descending, after: None, limit: 1 }, Vec::new());
        loop {
            let part = database.store.users(&filter, &range).await.unwrap();
            seen.extend(part.items.into_iter().map(|user| user.id.0.as_u128()));
            match part.next {
                Some(next) => range.after = Some(next),
                None => return seen,
            }
        }
    };
    let found = async |filter| listed(filter, UserOrder::Created, true).await;
    let filter = UserFilter::default;
    assert_eq!(found(UserFilter { email: Some("ADA@".into()), ..filter() }).await, [3, 2]);
    let own = UserFilter { tenant: Some(database.tenant), ..filter() };
    assert_eq!(found(UserFilter { email: Some("ada".into()), ..own.clone() }).await, [2]);
    assert_eq!(found(UserFilter { role: Some("admin".into()), ..filter() }).await, [3, 1]);
    assert_eq!(found(UserFilter { environment: Some("live".into()), ..filter() }).await, [1]);
    assert_eq!(found(UserFilter { disabled: Some(true), ..filter() }).await, [2]);
    assert_eq!(listed(filter(), UserOrder::Email, false).await, [2, 3, 1]);
    assert_eq!(listed(own, UserOrder::Email, true).await, [1, 2]);
}

async fn write(database: &TestDatabase, number: u128, actor: &str, action: AuditAction, target: &str) {
    let entry = AuditEntry {
        actor: actor.into(),
        target: target.into(),
        tenant: Some(database.tenant),
        ..audit(action)
    };
    database.store.create_keys(vec![new(key(database, number))], entry).await.unwrap();
}

async fn events_are_found_by_actor_action_and_target(database: TestDatabase) {
    let rows = [
        ("ada", AuditAction::KeyCreate, "k1"),
        ("bob", AuditAction::KeyCreate, "k2"),
        ("ada", AuditAction::KeyRevoke, "k1"),
        ("ada", AuditAction::KeysRevoke, "k_"),
    ];
    for (number, (actor, action, target)) in (1..).zip(rows) {
        write(&database, number, actor, action, target).await;
    }
    let found = async |filter: AuditFilter| {
        let (mut before, mut seen) = (None, Vec::new());
        loop {
            let page = database.store.events(&filter, before, 1).await.unwrap();
            seen.extend(page.events.iter().map(|event| event.sequence));
            match page.next {
                Some(next) => before = Some(next),
                None => return seen,
            }
        }
    };
    let filter = AuditFilter::default;
    let actor = AuditFilter { actor: Some("ada".into()), ..filter() };
    assert_eq!(found(actor.clone()).await, [5, 4, 2]);
    let is = |action: &str| Some(ActionFilter::Is(action.into()));
    let begins = |action: &str| Some(ActionFilter::StartsWith(action.into()));
    assert_eq!(found(AuditFilter { action: is("key.create"), ..filter() }).await, [3, 2]);
    assert_eq!(found(AuditFilter { action: is("key."), ..filter() }).await, [0; 0]);
    assert_eq!(found(AuditFilter { action: begins("key."), ..filter() }).await, [4, 3, 2]);
    assert_eq!(
        found(AuditFilter { action: begins("key_"), ..filter() }).await,
        [0; 0],
        "a text, and no pattern"
    );
    assert_eq!(found(AuditFilter { target: Some("k1".into()), ..filter() }).await, [4, 2]);
    assert_eq!(found(AuditFilter { action: begins("key."), ..actor }).await, [4, 2]);
    let all = AuditFilter {
        target: Some("k1".into()),
        action: is("key.revoke"),
        tenant: Some(database.tenant),
        ..filter()
    };
    assert_eq!(found(all).await, [4]);
}

async fn a_rare_event_behind_many_is_reached_by_pages(database: TestDatabase) {
    write(&database, 1, "ada", AuditAction::KeyRevoke, "k1").await;
    // Copies of the event: more than one page compares.
    let numbers =
        "WITH RECURSIVE numbers(n) AS (SELECT 3 UNION ALL SELECT n + 1 FROM numbers WHERE n < 25000)";
    let columns = "time, tenant_id, actor, target, request_id, details, hash";
    database
        .sql(&format!(
            "INSERT INTO audit_events (sequence, action, {columns}) {numbers} SELECT n, 'key.create', {columns} \
             FROM numbers, audit_events WHERE sequence = 2"
        ))
        .await;
    database.sql("UPDATE head SET audit_sequence = 25000").await;
    let filter = AuditFilter {
        tenant: Some(database.tenant),
        action: Some(ActionFilter::StartsWith("key.rev".into())),
        ..AuditFilter::default()
    };
    let (mut before, mut found, mut pages) = (None, Vec::new(), 0);
    loop {
        let page = database.store.events(&filter, before, 5).await.unwrap();
        found.extend(page.events.into_iter().map(|event| event.sequence));
        pages += 1;
        assert!(page.next.is_none() || page.next < before.or(Some(u64::MAX)), "each page goes on");
        match page.next {
            Some(next) => before = Some(next),
            None => break,
        }
    }
    assert_eq!((found, pages), (vec![2], 3));
}
