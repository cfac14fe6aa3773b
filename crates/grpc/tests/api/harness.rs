//! Harness of the tests: the services with one profile, a tenant with a key that has every scope, another tenant, and
//! the operators' key. The clock does not advance.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use latchkey_core::cache::ReplicaCache;
use latchkey_core::gate::{Gate, GateParts};
use latchkey_core::id::{KeyId, TenantId};
use latchkey_core::limit::LimitOverrides;
use latchkey_core::limit::local::LocalLimiter;
use latchkey_core::ports::NoRenewal;
use latchkey_core::record::{KeyLifecycle, KeyRecord, TenantRecord};
use latchkey_core::seal::Sealer;
use latchkey_core::secret::{KeyHash, PlainKey};
use latchkey_core::time::{Clock, Moment, MonotonicInstant, Timestamp};
use latchkey_core::usage::UsageTracker;
use latchkey_grpc::{CheckFastPath, CheckMethod, ResponseBody, Services, routes};
use latchkey_management::ports::audit::NoAnchors;
use latchkey_management::{Auditor, ManagementService, ManagementServiceParts, UsageReader, operators};
use latchkey_profile::{Catalog, Profile};
use rand::SeedableRng;
use rand::rngs::StdRng;
use tonic::service::Routes;
use tower_service::Service;

use crate::fake_bulk;
use crate::fake_deletions;
use crate::fake_store::FakeStore;
use crate::fake_tokens;
use crate::recording_observer::RecordingObserver;

/// Profile of both tenants.
pub(crate) const DOCUMENT: &str = r#"
name = "shop"
unmatched_routes = "deny"

[credential]
sources = ["header:x-api-key", "header:authorization Bearer"]
accepts = ["key"]
conflict = "deny"
forward = false

[[kinds]]
name = "secret"
default = true
prefixes = { live = "sk_live_", test = "sk_test_" }
default_scopes = ["items.read", "items.write"]
secret = "hex:16"

[[scopes]]
name = "items.read"
aliases = ["items.view"]
[[scopes]]
name = "items.write"
[[scopes]]
name = "api_keys.manage"

[[routes]]
path = "/v1/items"
scopes = ["items.read"]
[[routes]]
path = "/v1/tried"
scopes = ["items.write"]
enforce = "shadow"
[[routes]]
path = "/health"
public = true

[rate_limits]
default = [{ per = "key", rate = "5/min" }]

[upstream_headers]
x-tenant-id = "{{ tenant.slug }}"

[response_headers]
X-RateLimit-Remaining = "{{ rate_limit.remaining }}"
"#;

/// Key of the tenant "acme" with all scopes of its routes.
pub(crate) const GOOD: &str = "sk_live_00000000000000000000000000000001";
/// Key of the tenant "acme" without the scope to manage keys.
pub(crate) const READER: &str = "sk_live_00000000000000000000000000000002";
/// Key of the tenant "other".
pub(crate) const OTHER: &str = "sk_live_00000000000000000000000000000003";
/// Key of the operators.
pub(crate) const ROOT: &str = "root-key-of-thirty-two-characters-and-more";

pub(crate) struct Harness {
    pub(crate) store: Arc<FakeStore>,
    pub(crate) ready: Arc<AtomicBool>,
    pub(crate) routes: TestService,
    pub(crate) good: KeyId,
    pub(crate) recorded: Arc<RecordingObserver>,
}

struct FixedClock;

impl Clock for FixedClock {
    fn now(&self) -> Moment {
        Moment { wall: Timestamp(2_000_000), monotonic: MonotonicInstant(0) }
    }
}

fn tenant(slug: &str, random: &mut StdRng) -> TenantRecord {
    TenantRecord {
        id: TenantId::new(Timestamp(1), random),
        slug: slug.into(),
        display_name: slug.to_uppercase(),
        profile: "shop".into(),
        plan: None,
        suspended: false,
        created: Timestamp(1),
        limits: LimitOverrides::default(),
        revision: 1,
    }
}

fn key(value: &str, tenant: &TenantRecord, scopes: &[&str], random: &mut StdRng) -> KeyRecord {
    KeyRecord {
        id: KeyId::new(Timestamp(1), random),
        tenant: tenant.id,
        hash: KeyHash::of(value),
        name: "till".into(),
        kind: "secret".into(),
        environment: "live".into(),
        prefix: "sk_live_".into(),
        hint: value[value.len() - 4..].into(),
        scopes: scopes.iter().map(|s| (*s).into()).collect(),
        bindings: BTreeMap::new(),
        networks: vec![],
        limits: LimitOverrides::default(),
        metadata: [("owner".to_owned(), "ops".to_owned())].into(),
        lifecycle: KeyLifecycle::Active,
        created: Timestamp(1),
        created_by: "key_x".into(),
        expires: Some(Timestamp(9_000_000)),
        rotated_from: None,
        rotated_to: None,
        bucket_key: None,
        sealed: None,
        last_used: None,
        revision: 1,
    }
}

impl Harness {
    pub(crate) fn new() -> Self {
        let mut random = StdRng::from_seed([4; 32]);
        let (acme, other) = (tenant("acme", &mut random), tenant("other", &mut random));
        let system = operators::tenant(Timestamp(1), &mut random);
        let root = operators::root_key(&PlainKey::new(ROOT.into()), system.id, Timestamp(1), &mut random);
        let all = ["api_keys.manage", "items.read"];
        let good = key(GOOD, &acme, &all, &mut random);
        let id = good.id;
        let reader = key(READER, &acme, &["items.read"], &mut random);
        let foreign = key(OTHER, &other, &all, &mut random);
        let store = Arc::new(FakeStore::default());
        *store.keys.lock().unwrap() = vec![good, reader, foreign, root];
        *store.tenants.lock().unwrap() = vec![acme, other, system];
        Self::with_store(store, id)
    }

    fn with_store(store: Arc<FakeStore>, good: KeyId) -> Self {
        let catalog = Arc::new(Catalog::new());
        catalog.replace_all(vec![Profile::compile(DOCUMENT, 1).unwrap_or_else(|e| panic!("{e}"))]);
        let usage = Arc::new(UsageTracker::new("here".into()));
        // The cache has no room, so that every call reads the store.
        let cache = ReplicaCache::new(0);
        cache.extend_lease(MonotonicInstant(u64::MAX));
        let gate = Gate::new(GateParts {
            store: Arc::clone(&store) as _,
            policies: Arc::clone(&catalog) as _,
            limiter: LocalLimiter::new(),
            cache: Arc::new(cache),
            clock: Arc::new(FixedClock),
            usage: Arc::clone(&usage) as _,
            lease: Arc::new(NoRenewal),
        });
        let management = ManagementService::new(ManagementServiceParts {
            store: Arc::clone(&store) as _,
            policies: Arc::clone(&catalog) as _,
            propagation: Arc::clone(&store) as _,
            clock: Arc::new(FixedClock),
            sealer: Arc::new(Sealer::new(&[1; 32])),
            random: Arc::new(|| StdRng::from_seed([9; 32])),
        });
        let management = Arc::new(management);
        let tokens = fake_tokens::token_issuer(&management, &store);
        let deletions = fake_deletions::deletions(&management, &tokens);
        let (log, retention) = (Arc::clone(&store), Duration::from_hours(720));
        let auditor = Auditor::new(Arc::clone(&management), log, Arc::new(NoAnchors), retention);
        let usage = UsageReader::new(Arc::clone(&management), usage, Arc::clone(&store) as _);
        let usage = Arc::new(usage);
        let bulk = fake_bulk::bulk_changes(&management, &usage);
        let ready = Arc::new(AtomicBool::new(true));
        let recorded = Arc::new(RecordingObserver::default());
        let services = Services {
            gate: Arc::new(gate),
            management,
            tokens,
            auditor: Arc::new(auditor),
            deletions,
            bulk,
            usage,
            catalog,
            check_deadline: Duration::from_millis(150),
            clock: Arc::new(FixedClock),
            ready: Arc::clone(&ready),
            observer: Arc::clone(&recorded) as _,
        };
        let fast_path = Arc::new(CheckFastPath::new(&services));
        let routes = TestService { fast_path, routes: routes(services) };
        Self { store, ready, routes, good, recorded }
    }

    pub(crate) fn fail_store(&self) {
        self.store.failing.store(true, Ordering::SeqCst);
    }

    pub(crate) fn hang_store(&self) {
        self.store.hanging.store(true, Ordering::SeqCst);
    }
}

/// Service with the same routing as the program: the fast path for a Check, tonic's routes for everything else.
#[derive(Clone)]
pub(crate) struct TestService {
    fast_path: Arc<CheckFastPath<LocalLimiter>>,
    routes: Routes,
}

impl TestService {
    /// Returns the fast path.
    pub(crate) fn fast_path(&self) -> &CheckFastPath<LocalLimiter> {
        &self.fast_path
    }

    /// Returns the routes without the fast path.
    pub(crate) fn tonic_routes(&self) -> Routes {
        self.routes.clone()
    }
}

impl<B> Service<Request<B>> for TestService
where
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<tonic::codegen::StdError>,
{
    type Response = Response<ResponseBody>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<ResponseBody>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let Self { fast_path, mut routes } = self.clone();
        Box::pin(async move {
            let (head, body) = request.into_parts();
            let body = match CheckMethod::from_path(head.uri.path()) {
                None => tonic::body::Body::new(body),
                Some(method) => match fast_path.respond(method, &head.headers, body).await {
                    Ok(response) => return Ok(response),
                    Err(rewound) => rewound,
                },
            };
            let request = Request::from_parts(head, body);
            Ok(routes.call(request).await?.map(ResponseBody::from))
        })
    }
}

/// Returns a request with an API key in its metadata.
pub(crate) fn with_api_key<T>(message: T, credential: &str) -> tonic::Request<T> {
    let mut request = tonic::Request::new(message);
    request.metadata_mut().insert("x-api-key", credential.parse().unwrap());
    request
}
