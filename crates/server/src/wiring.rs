//! Which part gets which: the one place where the rooms' types meet.

use std::sync::Arc;
use std::time::Duration;

use latchkey_core::gate::{Gate, GateParts};
use latchkey_core::limit::local::LocalLimiter;
use latchkey_core::manage::{Registrar, RegistrarParts};
use latchkey_core::memory::Memory;
use latchkey_core::ports::Replica;
use latchkey_core::seal::Sealer;
use latchkey_core::time::Clock;
use latchkey_grpc::Services;
use latchkey_profile::Catalog;
use latchkey_redis::{RedisLimiter, RedisOptions};
use latchkey_store::Store;
use rand::RngExt as _;
use tonic::service::Routes;

use crate::boot::Boot;
use crate::clock::SystemClock;
use crate::flights::Flights;
use crate::follower::{self, Follower, Others};
use crate::limits::Limits;
use crate::random::Randomness;
use crate::readiness::Readiness;
use crate::serve::ServeError;
use crate::settings::{RedisUrl, Settings};
use crate::{documents, rpc, schema};

/// What serving consists of.
pub(crate) struct Parts {
    pub(crate) routes: Routes,
    pub(crate) readiness: Readiness,
    pub(crate) boot: Boot,
    pub(crate) store: Arc<Store>,
    pub(crate) follower: Arc<Follower>,
    pub(crate) limits: Limits,
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
}

/// Makes the parts and connects them. Nothing is opened but files.
pub(crate) async fn connect(settings: Settings) -> Result<Parts, ServeError> {
    let documents = documents::read(&settings.profiles)?;
    let sealer = Arc::new(Sealer::new(&*settings.master_key.reveal()?));
    let shared = Shared {
        store: Arc::new(schema::store(&settings.database)?),
        memory: Arc::new(Memory::new(settings.memory.keys, settings.memory.absent)),
        catalog: Arc::new(Catalog::new()),
        clock: Arc::new(SystemClock),
        random: Randomness::new()?,
        limits: limits(settings.redis.as_ref())?,
    };
    let follower = Arc::new(follower(&settings, &shared));
    let (reporter, health) = tonic_health::server::health_reporter();
    let readiness = Readiness::new(reporter, rpc::SERVICES.map(str::to_owned).to_vec()).await;
    let services = services(&shared, sealer, &follower, &readiness);
    let routes = rpc::complete(latchkey_grpc::routes(services), health)?;
    let (store, limits) = (Arc::clone(&shared.store), shared.limits.clone());
    let boot = Boot {
        store: shared.store,
        follower: Arc::clone(&follower),
        readiness: readiness.clone(),
        clock: shared.clock,
        random: shared.random,
        migrate: settings.database.migrate,
        root_key: settings.root_key,
        documents,
    };
    Ok(Parts { routes, readiness, boot, store, follower, limits })
}

fn limits(redis: Option<&RedisUrl>) -> Result<Limits, latchkey_redis::BadUrl> {
    let Some(url) = redis else { return Ok(Limits::Own(Arc::new(LocalLimiter::new()))) };
    let options = RedisOptions { url: url.reveal().to_owned(), deadline: REDIS_DEADLINE };
    Ok(Limits::Shared(Arc::new(RedisLimiter::new(&options, Arc::new(SystemClock))?)))
}

/// This process among those that decide by the same store.
fn others(settings: &Settings, shared: &Shared) -> Others {
    let alone = settings.database.url.embedded().is_some() || settings.database.single_replica;
    if alone {
        return Others::None;
    }
    let id = format!("{:032x}", shared.random.generator().random::<u128>());
    let name = settings.listen.grpc.to_string();
    Others::Known(shared.store.clone(), Replica { id: id.into(), name: name.into() })
}

fn follower(settings: &Settings, shared: &Shared) -> Follower {
    Follower::new(follower::Parts {
        feed: shared.store.clone(),
        ledger: shared.store.clone(),
        memory: shared.memory.clone(),
        catalog: shared.catalog.clone(),
        clock: shared.clock.clone(),
        follow: settings.follow,
        others: others(settings, shared),
    })
}

fn services(
    shared: &Shared,
    sealer: Arc<Sealer>,
    follower: &Arc<Follower>,
    readiness: &Readiness,
) -> Services<Limits> {
    let random = shared.random.clone();
    let gate = Gate::new(GateParts {
        store: Arc::new(Flights::new(shared.store.clone())),
        policies: shared.catalog.clone(),
        limiter: shared.limits.clone(),
        memory: shared.memory.clone(),
        clock: shared.clock.clone(),
    });
    let registrar = Registrar::new(RegistrarParts {
        ledger: shared.store.clone(),
        policies: shared.catalog.clone(),
        spreading: follower.clone(),
        clock: shared.clock.clone(),
        sealer,
        random: Arc::new(move || random.generator()),
    });
    Services {
        gate: Arc::new(gate),
        registrar: Arc::new(registrar),
        catalog: shared.catalog.clone(),
        clock: shared.clock.clone(),
        ready: readiness.taking(),
    }
}
