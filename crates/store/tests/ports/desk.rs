//! A token desk, a registrar and a gate on a place's database, with a clock that a test moves. Changes reach
//! memory as they do in the program: by the feed, before the call that made them returns.

use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use async_trait::async_trait;
use latchkey_core::access::{Access, Path, Presented};
use latchkey_core::gate::{Gate, GateParts};
use latchkey_core::id::{FamilyId, UserId};
use latchkey_core::limit::local::LocalLimiter;
use latchkey_core::memory::Memory;
use latchkey_core::ports::{Changed, Feed, Found, FoundFamily, KeyStore, Policies};
use latchkey_core::reason::Reason;
use latchkey_core::record::KeyRecord;
use latchkey_core::seal::Sealer;
use latchkey_core::secret::{KeyHash, PlainKey};
use latchkey_core::time::{Clock, Moment, Tick, Timestamp};
use latchkey_core::trouble::{Failure, Refusal, Trouble};
use latchkey_core::user::UserRecord;
use latchkey_management::password::PlainPassword;
use latchkey_management::ports::Spreading;
use latchkey_management::ports::audit::{AuditFilter, AuditLog as _};
use latchkey_management::ports::tokens::{Job, Workers};
use latchkey_management::{
    Authority, CallContext, Caller, CreateKey, CreateUser, Grant, IssueJwt, IssuedJwt, RefreshJwt, Registrar,
    RegistrarParts, TokenDesk, TokenDeskParts, reload,
};
use latchkey_profile::{Catalog, Profile};
use latchkey_store::{Patient, Store};
use rand::SeedableRng;

use crate::place::Place;

const DOCUMENT: &str = r#"
name = "paykore"
[credential]
sources = ["header:x-api-key"]
[[kinds]]
name = "secret"
default = true
prefixes = { live = "sk_live_", test = "sk_test_" }
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
algorithm = "$ALGORITHM"
ttl = "1h"
refresh_ttl = "30d"
[[roles]]
name = "clerk"
scopes = ["items.read"]
"#;

pub(crate) const BEGUN: Timestamp = Timestamp(1_763_000_000_000);
pub(crate) const EMAIL: &str = "ada@example.dev";
pub(crate) const PASSWORD: &str = "the sea at night, 1815";
pub(crate) const MASTER: [u8; 32] = [9; 32];

/// A clock that stands still until it is moved.
pub(crate) struct Hands(AtomicI64);

impl Hands {
    pub(crate) fn move_on(&self, by: Duration) {
        self.0.fetch_add(i64::try_from(by.as_millis()).unwrap(), Ordering::SeqCst);
    }
}

impl Clock for Hands {
    fn now(&self) -> Moment {
        Moment { wall: Timestamp(self.0.load(Ordering::SeqCst)), tick: Tick(1) }
    }
}

/// Does work where it is asked for, and counts it.
#[derive(Default)]
pub(crate) struct Hand(pub(crate) AtomicUsize);

#[async_trait]
impl Workers for Hand {
    async fn run(&self, job: Job) -> Result<(), Refusal> {
        self.0.fetch_add(1, Ordering::SeqCst);
        job();
        Ok(())
    }
}

/// Counts what Check asks the store.
struct Asked(Patient, Arc<AtomicUsize>);

impl Asked {
    fn count(&self) -> &Patient {
        self.1.fetch_add(1, Ordering::SeqCst);
        &self.0
    }
}

#[async_trait]
impl KeyStore for Asked {
    async fn key_by_hash(&self, hash: &KeyHash) -> Result<Found, Trouble> {
        self.count().key_by_hash(hash).await
    }

    async fn user_by_id(&self, id: UserId) -> Result<Found<UserRecord>, Trouble> {
        self.count().user_by_id(id).await
    }

    async fn family(&self, id: FamilyId, signing_key: &str) -> Result<FoundFamily, Trouble> {
        self.count().family(id, signing_key).await
    }
}

/// Follows the feed at once.
struct Following {
    store: Arc<Store>,
    memory: Arc<Memory>,
    sealer: Arc<Sealer>,
    clock: Arc<Hands>,
}

#[async_trait]
impl Spreading for Following {
    async fn spread(&self, revision: u64, _: Option<Tick>) -> Result<(), Trouble> {
        while self.memory.applied() < revision {
            for change in self.store.changes(self.memory.applied(), 100).await? {
                if matches!(change.subject, Changed::SigningKeys(_)) {
                    reload((&*self.store, &self.sealer), &self.memory, self.clock.now().wall).await?;
                }
                self.memory.apply(&change);
            }
        }
        Ok(())
    }
}

/// Everything that tokens need, on one database.
pub(crate) struct Desk {
    pub(crate) place: Place,
    pub(crate) clock: Arc<Hands>,
    pub(crate) workers: Arc<Hand>,
    pub(crate) asked: Arc<AtomicUsize>,
    pub(crate) sealer: Arc<Sealer>,
    pub(crate) memory: Arc<Memory>,
    pub(crate) catalog: Arc<Catalog>,
    pub(crate) registrar: Arc<Registrar>,
    pub(crate) tokens: TokenDesk,
    gate: Gate<LocalLimiter>,
}

/// Context of a call without a deadline.
pub(crate) fn call() -> CallContext {
    CallContext { request_id: "r".to_owned(), deadline: None }
}

pub(crate) static OPERATOR: LazyLock<Caller> =
    LazyLock::new(|| Caller { subject: "operator".to_owned(), authority: Authority::Operator });

impl Desk {
    pub(crate) async fn new(place: Place, algorithm: &str) -> Self {
        let document = DOCUMENT.replace("$ALGORITHM", algorithm);
        let catalog = Arc::new(Catalog::new());
        catalog.replace_all(vec![Profile::compile(&document, 1).unwrap()]);
        let memory = Arc::new(Memory::new(1 << 20));
        memory.begin_at(place.store.revision().await.unwrap());
        memory.trust_until(Tick(u64::MAX));
        let (clock, sealer) = (Arc::new(Hands(AtomicI64::new(BEGUN.0))), Arc::new(Sealer::new(&MASTER)));
        let (asked, workers) = (Arc::new(AtomicUsize::new(0)), Arc::new(Hand::default()));
        let following = Following {
            store: place.store.clone(),
            memory: memory.clone(),
            sealer: sealer.clone(),
            clock: clock.clone(),
        };
        let registrar = Arc::new(Registrar::new(RegistrarParts {
            ledger: place.store.clone(),
            policies: catalog.clone(),
            spreading: Arc::new(following),
            clock: clock.clone(),
            sealer: sealer.clone(),
            random: Arc::new(|| rand::rngs::StdRng::try_from_rng(&mut rand::rngs::SysRng).unwrap()),
        }));
        let tokens = TokenDesk::new(TokenDeskParts {
            registrar: registrar.clone(),
            ledger: place.store.clone(),
            keys: Arc::new(Patient(place.store.clone())),
            memory: memory.clone(),
            workers: workers.clone(),
            witness: Arc::new(latchkey_core::witness::Blind),
        });
        let gate = Gate::new(GateParts {
            store: Arc::new(Asked(Patient(place.store.clone()), asked.clone())),
            policies: catalog.clone(),
            limiter: LocalLimiter::new(),
            memory: memory.clone(),
            clock: clock.clone(),
            usage: Arc::new(latchkey_core::usage::Usage::new("desk".into())),
        });
        Self { place, clock, workers, asked, sealer, memory, catalog, registrar, tokens, gate }
    }

    /// A key that may read items, and its value.
    pub(crate) async fn key(&self) -> (KeyRecord, PlainKey) {
        let ask = CreateKey {
            tenant: "acme".into(),
            name: "api".into(),
            environment: "live".into(),
            scopes: vec!["items.read".into()],
            ..CreateKey::default()
        };
        let made = self.registrar.create_key(&OPERATOR, ask, &call()).await.unwrap();
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

    pub(crate) async fn issue(&self, key: &PlainKey) -> IssuedJwt {
        self.tokens.issue(asking(Grant::Key(key.clone())), &call()).await.unwrap()
    }

    pub(crate) async fn sign_in(
        &self,
        tenant: &str,
        email: &str,
        password: &str,
    ) -> Result<IssuedJwt, Failure> {
        let grant = Grant::Password(email.to_owned(), PlainPassword::new(password.to_owned()));
        self.tokens.issue(IssueJwt { tenant: tenant.to_owned(), ..asking(grant) }, &call()).await
    }

    pub(crate) async fn renew(&self, token: &PlainKey) -> Result<IssuedJwt, Failure> {
        let ask = RefreshJwt { token: token.clone(), tenant: String::new(), scopes: Vec::new() };
        self.tokens.refresh(ask, &call()).await
    }

    /// Why a token is denied; none: it passes.
    pub(crate) async fn denied(&self, token: &str) -> Option<Reason> {
        let access = Access {
            credential: Presented::of(token),
            method: "GET",
            path: Path::Canonical("/v1/items".into()),
            ..Access::default()
        };
        let policy = Policies::named(&*self.catalog, "paykore").unwrap();
        let verdict = self.gate.check(Some(&policy), &access).await.unwrap();
        verdict.denied().map(|denial| denial.reason)
    }

    /// The actions of the audit log, newest first, with what they were done to.
    pub(crate) async fn audited(&self) -> Vec<(String, String)> {
        let events = self.place.store.events(&AuditFilter::default(), None, 100).await.unwrap();
        events.into_iter().map(|event| (event.action.clone(), event.target.clone())).collect()
    }
}

fn asking(grant: Grant) -> IssueJwt {
    IssueJwt {
        grant: Some(grant),
        tenant: String::new(),
        scopes: Vec::new(),
        audience: String::new(),
        ttl: None,
    }
}
