//! Test databases of either kind, migrated to the newest schema, and sample records.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use latchkey_core::id::{FamilyId, KeyId, TenantId};
use latchkey_core::record::{KeyLifecycle, KeyRecord, TenantRecord};
use latchkey_core::secret::KeyHash;
use latchkey_core::time::Timestamp;
use latchkey_core::token::TokenSubject;
use latchkey_core::token::refresh::FamilyRecord;
use latchkey_management::ports::audit::{Anchor, AuditFilter, AuditLog};
use latchkey_management::ports::{AuditAction, AuditEntry, Created, ManagementStore, NewKey};
use latchkey_store::{Dialect, Pooler, Store, StoreOptions};
use latchkey_testing::Postgres;
use sea_orm::ConnectionTrait;
use tempfile::TempDir;
use tokio::task::JoinSet;
use uuid::Uuid;

/// Generates a test for each function and each database.
macro_rules! on_both {
    ($($name:ident),* $(,)?) => {
        mod sqlite { $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)] async fn $name() {
            Box::pin(super::$name(crate::database::TestDatabase::sqlite().await)).await;
        })* }
        mod postgres { $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)] async fn $name() {
            Box::pin(super::$name(crate::database::TestDatabase::postgres().await)).await;
        })* }
    };
}

/// A database, a store on it, and a tenant in it.
pub(crate) struct TestDatabase {
    pub(crate) store: Arc<Store>,
    pub(crate) url: String,
    pub(crate) tenant: TenantId,
    _folder: Option<TempDir>,
}

/// Time of the sample records.
pub(crate) const NOW: Timestamp = Timestamp(1_763_000_000_000);
/// Time limit after which a test counts as hanging. A virtual disk can stand still for most of a minute, and every commit
/// with it.
pub(crate) const TEST_TIMEOUT: Duration = Duration::from_mins(3);

pub(crate) fn options(url: &str, deadline: Duration) -> StoreOptions {
    StoreOptions {
        url: url.to_owned(),
        connections: 8,
        check_deadline: deadline,
        deadline,
        pooler: Pooler::Session,
        dialect: Dialect::Postgres,
    }
}

impl TestDatabase {
    pub(crate) async fn sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", folder.path().join("keys.db").display());
        Self::at(url, Some(folder)).await
    }

    pub(crate) async fn postgres() -> Self {
        Self::at(Postgres::shared().database(), None).await
    }

    pub(crate) async fn at(url: String, folder: Option<TempDir>) -> Self {
        let store = Arc::new(Store::connect_lazy(options(&url, TEST_TIMEOUT)).unwrap());
        Self { _folder: folder, ..Self::of(store, url).await }
    }

    /// Creates the schema by a store, and a tenant.
    pub(crate) async fn of(store: Arc<Store>, url: String) -> Self {
        latchkey_migrations::up(store.connection()).await.unwrap();
        let tenant = tenant(1, "acme");
        let id = tenant.id;
        store.create_tenant(tenant, audit(AuditAction::TenantCreate)).await.unwrap();
        Self { store, url, tenant: id, _folder: None }
    }

    /// Returns a store of another process on the same database, as far as the database can distinguish them.
    pub(crate) fn another(&self, deadline: Duration) -> Store {
        Store::connect_lazy(options(&self.url, deadline)).unwrap()
    }

    /// Runs SQL directly, as someone with the database's password could.
    pub(crate) async fn sql(&self, text: &str) {
        self.store.connection().execute_unprepared(text).await.unwrap();
    }

    /// Returns the actions of the audit log, oldest first.
    pub(crate) async fn actions(&self) -> Vec<String> {
        let events = self.store.events(&AuditFilter::default(), None, 1_000).await.unwrap().events;
        events.into_iter().rev().map(|event| event.action).collect()
    }

    /// Returns the number of valid events in the audit log, or the sequence of the first invalid one. Events of any age
    /// may have lost their content.
    pub(crate) async fn verify(&self) -> Result<u64, u64> {
        let head = self.store.head().await.unwrap().expect("a head");
        let mut good = Anchor::START;
        while good.sequence < head.sequence {
            let checked = self.store.check(good, head.sequence, Timestamp(i64::MAX)).await.unwrap();
            good = checked.valid.last().copied().unwrap_or(good);
            if let Some(broken) = checked.broken {
                return Err(broken);
            }
        }
        if good == head { Ok(good.sequence) } else { Err(good.sequence + 1) }
    }

    /// Creates a key and returns its stored record.
    pub(crate) async fn make(&self, key: KeyRecord) -> KeyRecord {
        let written = self.store.create_keys(vec![new(key)], audit(AuditAction::KeyCreate)).await.unwrap();
        let [Created::New(key)] = written.value.as_slice() else {
            panic!("not created: {:?}", written.value)
        };
        key.clone()
    }

    /// Returns whether the database is SQLite.
    pub(crate) fn is_sqlite(&self) -> bool {
        self.url.starts_with("sqlite")
    }

    /// Returns a key's identifier as an SQL literal.
    pub(crate) fn sql_id(&self, id: KeyId) -> String {
        if self.is_sqlite() { format!("x'{}'", id.0.simple()) } else { format!("'{}'", id.0) }
    }
}

pub(crate) fn new(record: KeyRecord) -> NewKey {
    NewKey { record, idempotency: None, imported: false }
}

pub(crate) fn audit(action: AuditAction) -> AuditEntry {
    AuditEntry {
        time: NOW,
        tenant: None,
        actor: "operator".into(),
        caller: None,
        action,
        target: "something".into(),
        request_id: "request-1".into(),
        details: BTreeMap::from([("why".into(), "a test".into())]),
    }
}

pub(crate) fn tenant(number: u128, slug: &str) -> TenantRecord {
    TenantRecord {
        id: TenantId(Uuid::from_u128(number)),
        slug: slug.into(),
        display_name: "Acme".into(),
        profile: "paykore".into(),
        plan: None,
        suspended: false,
        created: NOW,
        limits: latchkey_core::limit::LimitOverrides::default(),
        revision: 0,
    }
}

/// Returns an active key of the test's tenant, without optional attributes.
pub(crate) fn key(database: &TestDatabase, number: u128) -> KeyRecord {
    KeyRecord {
        id: KeyId(Uuid::from_u128(number)),
        tenant: database.tenant,
        hash: KeyHash::of(&format!("value {number}")),
        name: format!("key {number}"),
        kind: "secret".into(),
        environment: "live".into(),
        prefix: "sk_live_".into(),
        hint: "x9Qz".into(),
        scopes: vec!["payments.read".into()],
        bindings: BTreeMap::new(),
        networks: Vec::new(),
        limits: latchkey_core::limit::LimitOverrides::default(),
        metadata: BTreeMap::new(),
        lifecycle: KeyLifecycle::Active,
        created: NOW,
        created_by: "operator".into(),
        expires: None,
        rotated_from: None,
        rotated_to: None,
        bucket_key: None,
        sealed: None,
        last_used: None,
        revision: 0,
    }
}

/// Returns a living token family of the test's tenant, which ends ten minutes after [`NOW`].
pub(crate) fn family(database: &TestDatabase, parent: TokenSubject, number: u128) -> FamilyRecord {
    FamilyRecord {
        id: FamilyId(Uuid::from_u128(number)),
        tenant: database.tenant,
        parent,
        generation: 0,
        audience: "shop".into(),
        ttl: Duration::from_secs(60),
        created: NOW,
        ends: NOW.plus(Duration::from_secs(600)),
        ended: None,
    }
}

pub(crate) fn pairs(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// Runs all calls concurrently, as many processes would. The results have no order.
pub(crate) async fn at_once<F>(calls: impl Iterator<Item = F>) -> Vec<F::Output>
where
    F: Future<Output: Send + 'static> + Send + 'static,
{
    calls.collect::<JoinSet<_>>().join_all().await
}
