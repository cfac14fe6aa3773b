//! Which part gets which: the one place where the rooms' types meet.

use std::sync::Arc;

use latchkey_core::gate::{Gate, GateParts};
use latchkey_core::limit::local::LocalLimiter;
use latchkey_core::manage::{Registrar, RegistrarParts};
use latchkey_core::memory::Memory;
use latchkey_core::seal::Sealer;
use latchkey_core::time::Clock;
use latchkey_grpc::Services;
use latchkey_profile::Catalog;
use latchkey_store::Store;
use tonic::service::Routes;

use crate::boot::Boot;
use crate::clock::SystemClock;
use crate::follower::{self, Follower, Others};
use crate::random::Randomness;
use crate::readiness::Readiness;
use crate::serve::ServeError;
use crate::settings::Settings;
use crate::{documents, rpc, schema};

/// What serving consists of.
pub(crate) struct Parts {
    pub(crate) routes: Routes,
    pub(crate) readiness: Readiness,
    pub(crate) boot: Boot,
    pub(crate) store: Arc<Store>,
}

/// What every part shares.
struct Shared {
    store: Arc<Store>,
    memory: Arc<Memory>,
    catalog: Arc<Catalog>,
    clock: Arc<dyn Clock>,
    random: Randomness,
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
    };
    let follower = Arc::new(follower(&settings, &shared));
    let (reporter, health) = tonic_health::server::health_reporter();
    let readiness = Readiness::new(reporter, rpc::SERVICES.map(str::to_owned).to_vec()).await;
    let services = services(&shared, sealer, &follower, &readiness);
    let routes = rpc::complete(latchkey_grpc::routes(services), health)?;
    let store = Arc::clone(&shared.store);
    let boot = Boot {
        store: shared.store,
        follower,
        readiness: readiness.clone(),
        clock: shared.clock,
        random: shared.random,
        migrate: settings.database.migrate,
        root_key: settings.root_key,
        documents,
    };
    Ok(Parts { routes, readiness, boot, store })
}

fn follower(settings: &Settings, shared: &Shared) -> Follower {
    let alone = settings.database.url.embedded().is_some() || settings.database.single_replica;
    Follower::new(follower::Parts {
        feed: shared.store.clone(),
        ledger: shared.store.clone(),
        memory: shared.memory.clone(),
        catalog: shared.catalog.clone(),
        clock: shared.clock.clone(),
        follow: settings.follow,
        others: if alone { Others::None } else { Others::Possible },
    })
}

fn services(
    shared: &Shared,
    sealer: Arc<Sealer>,
    follower: &Arc<Follower>,
    readiness: &Readiness,
) -> Services<LocalLimiter> {
    let random = shared.random.clone();
    let gate = Gate::new(GateParts {
        store: shared.store.clone(),
        policies: shared.catalog.clone(),
        limiter: LocalLimiter::new(),
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
