//! Which part gets which: the one place where the rooms' types meet.

mod telling;

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use latchkey_config::{Redis, Settings, UsageKeeping, sealer};
use latchkey_core::gate::{Gate, GateParts};
use latchkey_core::limit::local::LocalLimiter;
use latchkey_core::memory::Memory;
use latchkey_core::ports::Replica;
use latchkey_core::seal::Sealer;
use latchkey_core::time::Clock;
use latchkey_core::usage::Usage;
use latchkey_core::witness::Witness;
use latchkey_grpc::{CheckFastPath, Services};
use latchkey_management::{
    Auditor, CertifiedOperator, Registrar, RegistrarParts, TokenDesk, TokenDeskParts, UsageDesk,
};
use latchkey_profile::Catalog;
use latchkey_redis::{BadUrl, Listening, RedisLimiter, RedisOptions};
use latchkey_http::{Rest, RestParts};
use latchkey_store::{Patient, Store};
use latchkey_telemetry::otlp::Shipper;
use latchkey_telemetry::{Decisions, Exported, Meter, Queries, Registry};
use rand::RngExt as _;
use tokio::runtime::Handle;

use self::telling::{Telling, metrics, registry, telling};
use crate::anchor::Keeper;
use crate::boot::Boot;
use crate::clock::SystemClock;
use crate::error::ServeError;
use crate::flights::Flights;
use crate::follower::{self, Follower, Others};
use crate::front::Front;
use crate::limits::Limits;
use crate::random::Randomness;
use crate::readiness::Readiness;
use crate::side::{Counter, Pages};
use crate::signing::{Marks, SigningKeys, Tender};
use crate::usage::Recorder;
use crate::workers::Threads;
use crate::{documents, rpc, schema, settings as given};

/// What serving consists of.
pub(crate) struct Parts {
    pub(crate) front: Arc<Front<Limits>>,
    pub(crate) readiness: Readiness,
    pub(crate) boot: Boot,
    pub(crate) store: Arc<Store>,
    pub(crate) follower: Arc<Follower>,
    pub(crate) limits: Limits,
    pub(crate) keeper: Arc<Keeper>,
    pub(crate) recorder: Arc<Recorder>,
    pub(crate) pages: Pages,
    pub(crate) telemetry: Telemetry,
}

/// What is told of the process, who sends it away, and who notes decisions.
pub(crate) struct Telemetry {
    pub(crate) registry: Arc<Registry>,
    pub(crate) shipper: Option<Arc<Shipper>>,
    pub(crate) decisions: Option<Arc<Decisions>>,
}

/// How long a call waits for Redis.
const REDIS_DEADLINE: Duration = Duration::from_millis(20);

/// What every part shares.
struct Shared {
    store: Arc<Store>,
    memory: Arc<Memory>,
    catalog: Arc<Catalog>,
    clock: Arc<dyn Clock>,
    random: Randomness,
    limits: Limits,
    sealer: Arc<Sealer>,
    workers: Arc<Threads>,
    usage: Arc<Usage>,
    operators: Vec<CertifiedOperator>,
    meter: Arc<Meter>,
    queries: Arc<Queries>,
    exported: Arc<Exported>,
    witness: Arc<dyn Witness>,
}

/// Makes the parts and connects them. Nothing is opened but files.
pub(crate) async fn connect(settings: Settings) -> Result<Parts, ServeError> {
    let documents = documents::read(&settings.profiles)?;
    let random = Randomness::new()?;
    let told = telling(&settings, &random)?;
    let shared = shared(&settings, random, &told)?;
    let follower = Arc::new(follower(&settings, &shared)?);
    let (reporter, health) = tonic_health::server::health_reporter();
    let readiness = Readiness::new(reporter, rpc::SERVICES.map(str::to_owned).to_vec()).await;
    let keeper = Keeper::new(shared.store.clone(), &settings.audit_anchor).map_err(ServeError::Anchor)?;
    let keeper = Arc::new(keeper);
    let services = services(&shared, (&follower, &keeper), &readiness);
    let tender =
        Tender { desk: Arc::clone(&services.tokens), catalog: shared.catalog.clone(), marks: marks(&shared) };
    let (gate, ready) = (Arc::clone(&services.gate), Arc::clone(&services.ready));
    let fast_path = CheckFastPath::new(&services);
    let routes = latchkey_grpc::routes(services);
    let registry = Arc::new(registry(&settings, &shared, (&follower, &readiness)));
    let counter = counter(RestParts {
        gate,
        catalog: shared.catalog.clone(),
        clock: shared.clock.clone(),
        ready,
        services: routes.clone(),
        witness: shared.witness.clone(),
    });
    let pages = Pages {
        stage: readiness.watch(),
        memory: Arc::clone(&shared.memory),
        counter,
        metrics: metrics(registry.clone()),
    };
    let front =
        Arc::new(Front { fast_path, routes: rpc::complete(routes, health)?, main: Handle::current() });
    let (store, limits) = (Arc::clone(&shared.store), shared.limits.clone());
    let recorder = Arc::new(recorder(&shared, settings.usage));
    let boot = Boot {
        store: shared.store,
        follower: Arc::clone(&follower),
        tender,
        readiness: readiness.clone(),
        clock: shared.clock,
        random: shared.random,
        migrate: settings.database.migrate,
        root_key: settings.root_key,
        documents,
    };
    let telemetry = Telemetry { registry, shipper: told.shipper, decisions: told.decisions };
    Ok(Parts { front, readiness, boot, store, follower, limits, keeper, recorder, pages, telemetry })
}

fn shared(settings: &Settings, random: Randomness, told: &Telling) -> Result<Shared, ServeError> {
    let embedded = settings.database.url.embedded().is_some();
    let queries = Arc::new(Queries::new(Arc::new(SystemClock), embedded));
    Ok(Shared {
        store: Arc::new(schema::store(&settings.database)?.timed(queries.clone())),
        queries,
        memory: Arc::new(Memory::new(settings.memory)),
        catalog: Arc::new(Catalog::new()),
        clock: Arc::new(SystemClock),
        usage: Arc::new(Usage::new(own_name(&random).into())),
        random,
        limits: limits(settings.redis.as_ref())?,
        sealer: Arc::new(sealer(&settings.master_key, &settings.previous_master_keys)?),
        workers: Arc::new(Threads::start().map_err(ServeError::Threads)?),
        operators: settings.operators.clone(),
        meter: told.meter.clone(),
        exported: told.exported.clone(),
        witness: told.witness.clone(),
    })
}

fn marks(shared: &Shared) -> Marks {
    Marks { seals: shared.store.clone(), sealer: shared.sealer.clone(), random: shared.random.clone() }
}

fn recorder(shared: &Shared, keeping: UsageKeeping) -> Recorder {
    Recorder {
        usage: shared.usage.clone(),
        ledger: shared.store.clone(),
        clock: shared.clock.clone(),
        keeping,
        told: AtomicU64::new(0),
    }
}

/// Products' own calls, as the HTTP port hands them over.
fn counter(parts: RestParts<Limits>) -> Counter {
    let rest = Arc::new(Rest::new(parts));
    Arc::new(move |request, peer| {
        let rest = Arc::clone(&rest);
        Box::pin(async move { Some(rest.serve(request, peer).await?.map(axum::body::Body::new)) })
    })
}

fn limits(redis: Option<&Redis>) -> Result<Limits, BadUrl> {
    let Some(redis) = redis else { return Ok(Limits::Own(Arc::new(LocalLimiter::new()))) };
    let options = RedisOptions { address: given::redis(redis)?, deadline: REDIS_DEADLINE };
    Ok(Limits::Shared(Arc::new(RedisLimiter::new(&options, Arc::new(SystemClock))?)))
}

/// A name that no other process has.
fn own_name(random: &Randomness) -> String {
    format!("{:032x}", random.generator().random::<u128>())
}

/// This process among those that decide by the same store.
fn others(settings: &Settings, shared: &Shared) -> Others {
    let alone = settings.database.url.embedded().is_some() || settings.database.single_replica;
    if alone {
        return Others::None;
    }
    let id = own_name(&shared.random);
    let name = settings.listen.grpc.to_string();
    Others::Known(shared.store.clone(), Replica { id: id.into(), name: name.into() })
}

/// Who else tells of changes: Redis, where there is one and somebody to tell.
fn calls(settings: &Settings, others: &Others) -> Result<Option<Listening>, BadUrl> {
    match (&settings.redis, others) {
        (Some(redis), Others::Known(_, this)) => Listening::new(&given::redis(redis)?, &this.id).map(Some),
        _ => Ok(None),
    }
}

fn follower(settings: &Settings, shared: &Shared) -> Result<Follower, BadUrl> {
    let others = others(settings, shared);
    let calls = calls(settings, &others)?;
    let bell = calls.as_ref().map(Listening::bell);
    let wakeups = calls.map(|calls| Box::new(calls) as _).into_iter().chain(shared.store.wakeups());
    Ok(Follower::new(follower::Parts {
        feed: shared.store.clone(),
        ledger: shared.store.clone(),
        memory: shared.memory.clone(),
        catalog: shared.catalog.clone(),
        clock: shared.clock.clone(),
        follow: settings.follow,
        others,
        bell,
        wakeups: tokio::sync::Mutex::new(wakeups.collect()),
        signing: SigningKeys {
            ledger: shared.store.clone(),
            sealer: shared.sealer.clone(),
            memory: shared.memory.clone(),
            clock: shared.clock.clone(),
        },
    }))
}

fn services(
    shared: &Shared,
    (follower, keeper): (&Arc<Follower>, &Keeper),
    readiness: &Readiness,
) -> Services<Limits> {
    let random = shared.random.clone();
    let gate = Gate::new(GateParts {
        store: Arc::new(Flights::new(shared.store.clone(), &Handle::current())),
        policies: shared.catalog.clone(),
        limiter: shared.limits.clone(),
        memory: shared.memory.clone(),
        clock: shared.clock.clone(),
        usage: shared.usage.clone(),
    });
    let registrar = Registrar::new(RegistrarParts {
        ledger: shared.store.clone(),
        policies: shared.catalog.clone(),
        spreading: follower.clone(),
        clock: shared.clock.clone(),
        sealer: shared.sealer.clone(),
        random: Arc::new(move || random.generator()),
    });
    let registrar = Arc::new(registrar.with_certified(shared.operators.clone()));
    let tokens = TokenDesk::new(TokenDeskParts {
        registrar: registrar.clone(),
        ledger: shared.store.clone(),
        keys: Arc::new(Patient(shared.store.clone())),
        memory: shared.memory.clone(),
        workers: shared.workers.clone(),
        witness: shared.witness.clone(),
    });
    let usage = UsageDesk::new(registrar.clone(), shared.usage.clone(), shared.store.clone());
    let auditor = Auditor::new(registrar.clone(), shared.store.clone(), keeper.anchors());
    Services {
        gate: Arc::new(gate),
        registrar,
        auditor: Arc::new(auditor),
        usage: Arc::new(usage),
        tokens: Arc::new(tokens),
        catalog: shared.catalog.clone(),
        clock: shared.clock.clone(),
        ready: readiness.taking(),
        witness: shared.witness.clone(),
    }
}
