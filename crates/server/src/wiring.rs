//! Construction of all parts, and their connections with each other.

mod services;
mod telemetry;

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use latchkey_config::{DatabaseDeadlines, FollowerSettings, Settings, UsageSettings, sealer};
use latchkey_core::cache::ReplicaCache;
use latchkey_core::limit::local::LocalLimiter;
use latchkey_core::observer::CheckObserver;
use latchkey_core::ports::Replica;
use latchkey_core::principal::CertificateOperator;
use latchkey_core::seal::Sealer;
use latchkey_core::time::Clock;
use latchkey_core::usage::UsageTracker;
use latchkey_grpc::CheckFastPath;
use latchkey_http::{EndpointService, EndpointServiceParts};
use latchkey_management::TokenIssuer;
use latchkey_profile::Catalog;
use latchkey_redis::{InvalidUrl, RedisLimiter, RedisNotifications, RedisOptions};
use latchkey_store::Store;
use latchkey_telemetry::{ExportStats, MetricsObserver, QueryDurations, Registry};
use rand::RngExt as _;
use tokio::runtime::Handle;
use tonic::service::Routes;

use self::services::services;
pub(crate) use self::telemetry::TelemetryHandles;
use self::telemetry::{TelemetryParts, connect_telemetry, host_monitor, metrics_renderer, registry};
use crate::anchor::AuditAnchorWriter;
use crate::blocking_pool::BlockingPool;
use crate::clock::SystemClock;
use crate::error::ServeError;
use crate::follower::{self, Follower, Membership, MembershipSettings};
use crate::host_checks::HostMonitor;
use crate::http_server::{EndpointHandler, HttpState};
use crate::pending_calls::PendingCalls;
use crate::random::Randomness;
use crate::rate_limiter::RateLimiter;
use crate::readiness::Readiness;
use crate::router::Router;
use crate::signing::{MasterKeyCheck, SigningKeyLoader, SigningKeyMaintainer};
use crate::startup::Startup;
use crate::usage::UsageFlusher;
use crate::{config, grpc_routes, migrate, profile_files, signals};

/// Parts of a serving process.
pub(crate) struct Parts {
    pub(crate) router: Arc<Router<RateLimiter>>,
    pub(crate) readiness: Readiness,
    pub(crate) startup: Startup,
    pub(crate) store: Arc<Store>,
    pub(crate) follower: Arc<Follower>,
    pub(crate) limiter: RateLimiter,
    pub(crate) anchor_writer: Arc<AuditAnchorWriter>,
    pub(crate) usage_flusher: Arc<UsageFlusher>,
    pub(crate) http_state: HttpState,
    pub(crate) telemetry: TelemetryHandles,
    pub(crate) host_monitor: HostMonitor,
}

/// Dependencies that several parts share.
struct SharedParts {
    store: Arc<Store>,
    cache: Arc<ReplicaCache>,
    catalog: Arc<Catalog>,
    clock: Arc<dyn Clock>,
    random: Randomness,
    limiter: RateLimiter,
    deadlines: DatabaseDeadlines,
    sealer: Arc<Sealer>,
    blocking_pool: Arc<BlockingPool>,
    usage: Arc<UsageTracker>,
    operators: Vec<CertificateOperator>,
    metrics: Arc<MetricsObserver>,
    query_durations: Arc<QueryDurations>,
    export_stats: Arc<ExportStats>,
    observer: Arc<dyn CheckObserver>,
}

/// Makes the parts and connects them. Opens files, but no connections.
pub(crate) async fn connect(settings: Settings) -> Result<Parts, ServeError> {
    signals::ignore_file_size_limit();
    let documents = profile_files::read(&settings.profiles)?;
    let random = Randomness::new()?;
    let parts = connect_telemetry(&settings, &random)?;
    let shared = shared(&settings, random, &parts)?;
    let follower = Arc::new(follower(&settings, &shared)?);
    let (reporter, health) = tonic_health::server::health_reporter();
    let readiness = Readiness::new(reporter, grpc_routes::HEALTH_SERVICES.map(str::to_owned).to_vec()).await;
    let anchor_writer = AuditAnchorWriter::new(shared.store.clone(), &settings.audit_anchor);
    let anchor_writer = Arc::new(anchor_writer.map_err(ServeError::AuditAnchor)?);
    let services = services(&settings, &shared, &follower, &anchor_writer, &readiness);
    let signing_keys = signing_key_maintainer(&services.tokens, &shared);
    let (gate, ready) = (Arc::clone(&services.gate), Arc::clone(&services.ready));
    let fast_path = CheckFastPath::new(&services);
    let routes = latchkey_grpc::routes(services);
    let registry = Arc::new(registry(&settings, &shared, &follower, &readiness));
    let host_monitor = host_monitor(&settings, &shared, &registry);
    let endpoints = EndpointServiceParts {
        gate,
        catalog: shared.catalog.clone(),
        clock: shared.clock.clone(),
        ready,
        services: routes.clone(),
        observer: shared.observer.clone(),
    };
    let http_state = http_state(endpoints, &shared, &registry, &readiness);
    let routes = grpc_routes::add_health_and_reflection(routes, health)?;
    let router = Arc::new(router(fast_path, routes, &settings));
    let (store, limiter) = (Arc::clone(&shared.store), shared.limiter.clone());
    let usage_flusher = Arc::new(usage_flusher(&shared, settings.usage));
    let startup = Startup {
        store: shared.store,
        follower: Arc::clone(&follower),
        signing_keys,
        readiness: readiness.clone(),
        clock: shared.clock,
        random: shared.random,
        migrate: settings.database.migrate,
        master_key: settings.master_key,
        root_key: settings.root_key,
        documents,
        force_profiles: settings.force_profiles,
        audit_token_retention: settings.audit_token_retention,
    };
    let telemetry = TelemetryHandles { registry, exporter: parts.exporter, decisions: parts.decisions };
    Ok(Parts {
        router,
        readiness,
        startup,
        store,
        follower,
        limiter,
        anchor_writer,
        usage_flusher,
        http_state,
        telemetry,
        host_monitor,
    })
}

/// Creates the router of the gRPC ports, on the runtime of the caller.
fn router(fast_path: CheckFastPath<RateLimiter>, routes: Routes, settings: &Settings) -> Router<RateLimiter> {
    let (main_runtime, pending) = (Handle::current(), PendingCalls::leak());
    Router { fast_path, routes, main_runtime, pending, check_auth: settings.check_auth.clone() }
}

/// Creates the task that keeps the profiles' signing keys ready.
fn signing_key_maintainer(issuer: &Arc<TokenIssuer>, shared: &SharedParts) -> SigningKeyMaintainer {
    SigningKeyMaintainer {
        issuer: Arc::clone(issuer),
        catalog: shared.catalog.clone(),
        master_key_check: master_key_check(shared),
    }
}

/// Creates the state that the HTTP port's handlers share.
fn http_state(
    endpoints: EndpointServiceParts<RateLimiter>,
    shared: &SharedParts,
    registry: &Arc<Registry>,
    readiness: &Readiness,
) -> HttpState {
    HttpState {
        stage: readiness.watch(),
        cache: Arc::clone(&shared.cache),
        endpoints: endpoint_handler(endpoints),
        metrics: metrics_renderer(registry.clone()),
    }
}

fn shared(
    settings: &Settings,
    random: Randomness,
    parts: &TelemetryParts,
) -> Result<SharedParts, ServeError> {
    let embedded = settings.database.url.embedded().is_some();
    let query_durations = Arc::new(QueryDurations::new(Arc::new(SystemClock), embedded));
    let store = migrate::open_store(&settings.database)?.with_query_timer(query_durations.clone());
    migrate::take_embedded(&settings.database, &store)?;
    Ok(SharedParts {
        store: Arc::new(store),
        query_durations,
        cache: Arc::new(ReplicaCache::new(settings.cache_max_bytes)),
        catalog: Arc::new(Catalog::new()),
        clock: Arc::new(SystemClock),
        usage: Arc::new(UsageTracker::new(random_id(&random).into())),
        random,
        limiter: rate_limiter(settings)?,
        deadlines: settings.database.deadlines,
        sealer: Arc::new(sealer(&settings.master_key, &settings.previous_master_keys)?),
        blocking_pool: Arc::new(BlockingPool::start().map_err(ServeError::ThreadSpawn)?),
        operators: settings.operators.clone(),
        metrics: parts.metrics.clone(),
        export_stats: parts.export_stats.clone(),
        observer: parts.observer.clone(),
    })
}

fn master_key_check(shared: &SharedParts) -> MasterKeyCheck {
    MasterKeyCheck {
        store: shared.store.clone(),
        sealer: shared.sealer.clone(),
        random: shared.random.clone(),
    }
}

fn usage_flusher(shared: &SharedParts, settings: UsageSettings) -> UsageFlusher {
    UsageFlusher {
        usage: shared.usage.clone(),
        store: shared.store.clone(),
        clock: shared.clock.clone(),
        settings,
        reported_drops: AtomicU64::new(0),
    }
}

/// Returns the handler of products' endpoints, for the HTTP port.
fn endpoint_handler(parts: EndpointServiceParts<RateLimiter>) -> EndpointHandler {
    let endpoints = Arc::new(EndpointService::new(parts));
    Arc::new(move |request, peer| {
        let endpoints = Arc::clone(&endpoints);
        Box::pin(async move { Some(endpoints.serve(request, peer).await?.map(axum::body::Body::new)) })
    })
}

fn rate_limiter(settings: &Settings) -> Result<RateLimiter, InvalidUrl> {
    let Some(redis) = &settings.redis else { return Ok(RateLimiter::Local(Arc::new(LocalLimiter::new()))) };
    let options =
        RedisOptions { address: config::redis(redis)?, deadline: settings.database.deadlines.check.redis };
    let limiter = RedisLimiter::new(&options, Arc::new(SystemClock))?;
    Ok(RateLimiter::Redis(Arc::new(limiter), Box::new(redis.clone())))
}

/// Returns a random identifier that no other process has.
fn random_id(random: &Randomness) -> String {
    format!("{:032x}", random.generator().random::<u128>())
}

/// Returns this replica's place among those of the database; `None` for the embedded one, which belongs to one process.
fn membership(settings: &Settings, shared: &SharedParts) -> Option<Membership> {
    if settings.database.url.embedded().is_some() {
        return None;
    }
    let replica = Replica {
        id: random_id(&shared.random).into(),
        name: settings.listen.grpc.to_string().into(),
        stable_name: settings.replica_name.clone(),
        host: follower::host_identity(),
    };
    let FollowerSettings { lease, feed_poll_interval } = settings.follower;
    let alone = settings.database.single_replica;
    let membership = MembershipSettings { lease, poll_interval: feed_poll_interval, alone };
    Some(Membership::new(shared.store.clone(), replica, membership))
}

/// Returns notifications by Redis, if Redis is configured and there can be other replicas.
fn redis_notifications(
    settings: &Settings,
    membership: Option<&Membership>,
) -> Result<Option<RedisNotifications>, InvalidUrl> {
    match (&settings.redis, membership) {
        (Some(redis), Some(membership)) => {
            RedisNotifications::new(&config::redis(redis)?, membership.id()).map(Some)
        }
        _ => Ok(None),
    }
}

fn follower(settings: &Settings, shared: &SharedParts) -> Result<Follower, InvalidUrl> {
    let membership = membership(settings, shared);
    let redis_notifications = redis_notifications(settings, membership.as_ref())?;
    let notifier = redis_notifications.as_ref().map(RedisNotifications::notifier);
    let notifications = redis_notifications
        .map(|redis_notifications| Box::new(redis_notifications) as _)
        .into_iter()
        .chain(shared.store.notifications());
    Ok(Follower::new(follower::FollowerParts {
        feed: shared.store.clone(),
        store: shared.store.clone(),
        recovery: shared.store.clone(),
        cache: shared.cache.clone(),
        catalog: shared.catalog.clone(),
        clock: shared.clock.clone(),
        settings: settings.follower,
        membership,
        notifier,
        notifications: tokio::sync::Mutex::new(notifications.collect()),
        signing: SigningKeyLoader {
            store: shared.store.clone(),
            sealer: shared.sealer.clone(),
            cache: shared.cache.clone(),
            clock: shared.clock.clone(),
        },
    }))
}
