//! Token issuer, management service and gate on a test's database, with a clock that the test moves. Changes
//! reach the cache as in the program: by the feed, before the call that made them returns.

use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use async_trait::async_trait;
use latchkey_core::cache::ReplicaCache;
use latchkey_core::check_input::{CheckInput, Path, PresentedCredential};
use latchkey_core::error::{ManagementError, SystemError};
use latchkey_core::gate::{Gate, GateParts};
use latchkey_core::id::{FamilyId, UserId};
use latchkey_core::limit::local::LocalLimiter;
use latchkey_core::operator::OperatorRole;
use latchkey_core::ports::{
    ChangeFeed, ChangeSubject, FamilyLookup, HashUses, KeyStore, LookupResult, Policies,
};
use latchkey_core::reason::Reason;
use latchkey_core::record::KeyRecord;
use latchkey_core::seal::Sealer;
use latchkey_core::secret::{KeyHash, PlainKey};
use latchkey_core::time::{Clock, Moment, MonotonicInstant, Timestamp};
use latchkey_core::user::UserRecord;
use latchkey_management::password::PlainPassword;
use latchkey_management::ports::Propagation;
use latchkey_management::ports::audit::{AuditFilter, AuditLog as _};
use latchkey_management::{
    Authority, CallContext, Caller, CreateKey, CreateUser, IssueJwt, IssuedTokens, ManagementService,
    ManagementServiceParts, RefreshJwt, TokenGrant, TokenIssuer, TokenIssuerParts, reload_signing_keys,
};
use latchkey_profile::{Catalog, Profile};
use latchkey_store::{ManagementLookups, Store};
use latchkey_testing::ProfileBuilder;
use rand::SeedableRng;

use crate::database::TestDatabase;
use crate::workers::CountingWorkers;

const DOCUMENT: &str = r#"
name = "paykore"
[credential]
sources = ["header:x-api-key"]
[[kinds]]
name = "secret"
default = true
prefixes = { live = "sk_live_", test = "sk_test_" }
default_scopes = ["items.read"]
[[scopes]]
name = "items.read"
[[routes]]
path = "/v1/items"
scopes = ["items.read"]
[rate_limits]
default = []
[jwt]
issuer = "https://shop.example.dev"
audience = "shop"
algorithm = "EdDSA"
ttl = "1h"
refresh_ttl = "30d"
[[roles]]
name = "clerk"
scopes = ["items.read"]
"#;

pub(crate) const START: Timestamp = Timestamp(1_763_000_000_000);
pub(crate) const EMAIL: &str = "ada@example.dev";
pub(crate) const PASSWORD: &str = "the sea at night, 1815";
pub(crate) const MASTER: [u8; 32] = [9; 32];

/// A clock that moves only when the test moves it.
pub(crate) struct ManualClock(AtomicI64);

impl ManualClock {
    pub(crate) fn move_on(&self, by: Duration) {
        self.0.fetch_add(i64::try_from(by.as_millis()).unwrap(), Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Moment {
        Moment { wall: Timestamp(self.0.load(Ordering::SeqCst)), monotonic: MonotonicInstant(1) }
    }
}

/// Counts Check's queries to the store.
struct CountingStore(ManagementLookups, Arc<AtomicUsize>);

impl CountingStore {
    fn count(&self) -> &ManagementLookups {
        self.1.fetch_add(1, Ordering::SeqCst);
        &self.0
    }
}

#[async_trait]
impl KeyStore for CountingStore {
    async fn key_by_hash(&self, hash: &KeyHash) -> Result<LookupResult, SystemError> {
        self.count().key_by_hash(hash).await
    }

    async fn uses_of_hashes(&self, hashes: &[KeyHash]) -> Result<HashUses, SystemError> {
        self.count().uses_of_hashes(hashes).await
    }

    async fn user_by_id(&self, id: UserId) -> Result<LookupResult<UserRecord>, SystemError> {
        self.count().user_by_id(id).await
    }

    async fn family(&self, id: FamilyId, signing_key: &str) -> Result<FamilyLookup, SystemError> {
        self.count().family(id, signing_key).await
    }
}

/// Follows the feed at once.
struct InstantPropagation {
    store: Arc<Store>,
    cache: Arc<ReplicaCache>,
    sealer: Arc<Sealer>,
    clock: Arc<ManualClock>,
}

#[async_trait]
impl Propagation for InstantPropagation {
    async fn wait_until_applied(
        &self,
        revision: u64,
        _: Option<[u8; 32]>,
        _: Option<MonotonicInstant>,
    ) -> Result<(), SystemError> {
        while self.cache.applied_revision() < revision {
            for change in self.store.changes(self.cache.applied_revision() + 1, 100).await? {
                if matches!(change.subject, ChangeSubject::SigningKeys(_)) {
                    reload_signing_keys(&*self.store, &self.sealer, &self.cache, self.clock.now().wall)
                        .await?;
                }
                self.cache.apply(&change);
            }
        }
        Ok(())
    }
}

/// All parts that tests of tokens need, on one database.
pub(crate) struct Harness {
    pub(crate) database: TestDatabase,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) workers: Arc<CountingWorkers>,
    pub(crate) asked: Arc<AtomicUsize>,
    pub(crate) sealer: Arc<Sealer>,
    pub(crate) cache: Arc<ReplicaCache>,
    pub(crate) catalog: Arc<Catalog>,
    pub(crate) management: Arc<ManagementService>,
    pub(crate) tokens: TokenIssuer,
    gate: Gate<LocalLimiter>,
}

/// Returns the context of a call without a deadline.
pub(crate) fn call() -> CallContext {
    CallContext { request_id: "r".to_owned(), ..CallContext::default() }
}

pub(crate) static OPERATOR: LazyLock<Caller> = LazyLock::new(|| Caller {
    subject: "operator".to_owned(),
    authority: Authority::Operator(OperatorRole::Admin, None),
    profile_version: None,
});

impl Harness {
    pub(crate) async fn new(database: TestDatabase, algorithm: &str) -> Self {
        let document = ProfileBuilder::from_document(DOCUMENT).set("jwt.algorithm", algorithm).build();
        let catalog = Arc::new(Catalog::new());
        catalog.replace_all(vec![Profile::compile(&document, 1).unwrap()]);
        let cache = Arc::new(ReplicaCache::new(1 << 20));
        cache.reset_to(database.store.revision().await.unwrap(), Arc::default());
        cache.extend_lease(MonotonicInstant(u64::MAX));
        let (clock, sealer) =
            (Arc::new(ManualClock(AtomicI64::new(START.0))), Arc::new(Sealer::new(&MASTER)));
        let (asked, workers) = (Arc::new(AtomicUsize::new(0)), Arc::new(CountingWorkers::default()));
        let following = InstantPropagation {
            store: database.store.clone(),
            cache: cache.clone(),
            sealer: sealer.clone(),
            clock: clock.clone(),
        };
        let management = Arc::new(ManagementService::new(ManagementServiceParts {
            store: database.store.clone(),
            policies: catalog.clone(),
            propagation: Arc::new(following),
            clock: clock.clone(),
            sealer: sealer.clone(),
            random: Arc::new(|| rand::rngs::StdRng::try_from_rng(&mut rand::rngs::SysRng).unwrap()),
        }));
        let tokens = TokenIssuer::new(TokenIssuerParts {
            management: management.clone(),
            store: database.store.clone(),
            keys: Arc::new(ManagementLookups(database.store.clone())),
            cache: cache.clone(),
            blocking: workers.clone(),
            observer: Arc::new(latchkey_core::observer::NoopObserver),
        });
        let gate = Gate::new(GateParts {
            store: Arc::new(CountingStore(ManagementLookups(database.store.clone()), asked.clone())),
            policies: catalog.clone(),
            limiter: LocalLimiter::new(),
            cache: cache.clone(),
            clock: clock.clone(),
            usage: Arc::new(latchkey_core::usage::UsageTracker::new("harness".into())),
            lease: Arc::new(latchkey_core::ports::NoRenewal),
        });
        Self { database, clock, workers, asked, sealer, cache, catalog, management, tokens, gate }
    }

    /// Creates a key that may read items; returns its record and value.
    pub(crate) async fn key(&self) -> (KeyRecord, PlainKey) {
        let ask = CreateKey {
            tenant: "acme".into(),
            name: "api".into(),
            environment: "live".into(),
            scopes: vec!["items.read".into()],
            ..CreateKey::default()
        };
        let made = self.management.create_key(&OPERATOR, ask, &call()).await.unwrap();
        (made.key, made.secret.unwrap())
    }

    pub(crate) async fn user(&self) -> UserRecord {
        let ask = CreateUser {
            tenant: "acme".into(),
            email: EMAIL.into(),
            password: PlainPassword::new(PASSWORD.into()),
            role: "clerk".into(),
            bindings: std::collections::BTreeMap::new(),
            environment: String::new(),
        };
        self.tokens.create_user(&OPERATOR, ask, &call()).await.unwrap()
    }

    pub(crate) async fn issue(&self, key: &PlainKey) -> IssuedTokens {
        self.tokens.issue(asking(TokenGrant::Key(key.clone())), &call()).await.unwrap()
    }

    pub(crate) async fn sign_in(
        &self,
        tenant: &str,
        email: &str,
        password: &str,
    ) -> Result<IssuedTokens, ManagementError> {
        let grant = TokenGrant::Password(email.to_owned(), PlainPassword::new(password.to_owned()));
        self.tokens.issue(IssueJwt { tenant: tenant.to_owned(), ..asking(grant) }, &call()).await
    }

    pub(crate) async fn renew(&self, token: &PlainKey) -> Result<IssuedTokens, ManagementError> {
        let ask = RefreshJwt { token: token.clone(), tenant: String::new(), scopes: Vec::new() };
        self.tokens.refresh(ask, &call()).await
    }

    /// Returns the reason why a token is denied; `None` if it is allowed.
    pub(crate) async fn denied(&self, token: &str) -> Option<Reason> {
        let access = CheckInput {
            credential: PresentedCredential::of(token),
            method: "GET",
            path: Path::Canonical("/v1/items".into()),
            ..CheckInput::default()
        };
        let policy = Policies::named(&*self.catalog, "paykore").unwrap();
        let verdict = self.gate.check(Some(&policy), &access).await.unwrap();
        verdict.denial().map(|denial| denial.reason)
    }

    /// Returns the actions of the audit log with their targets, newest first.
    pub(crate) async fn audited(&self) -> Vec<(String, String)> {
        let events = self.database.store.events(&AuditFilter::default(), None, 100).await.unwrap().events;
        events.into_iter().map(|event| (event.action.clone(), event.target.clone())).collect()
    }
}

pub(crate) fn asking(grant: TokenGrant) -> IssueJwt {
    IssueJwt {
        grant: Some(grant),
        tenant: String::new(),
        scopes: Vec::new(),
        audience: String::new(),
        ttl: None,
        violations: Vec::new(),
    }
}
