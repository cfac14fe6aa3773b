//! Who hears of answers, and who is asked how the process is.

use std::sync::{Arc, OnceLock};

use latchkey_config::Settings;
use latchkey_core::witness::Witness;
use rand::RngExt as _;

use super::{Shared, own_name};
use crate::clock::SystemClock;
use crate::follower::Follower;
use crate::random::Randomness;
use crate::readiness::Readiness;
use crate::serve::ServeError;
use crate::side::Metrics;
use crate::signals;
use crate::telemetry::otlp::Shipper;
use crate::telemetry::{Decisions, Exported, Gauges, Listeners, Meter, prometheus};

/// Who hears of what happens, and what becomes of it.
pub(super) struct Telling {
    pub(super) meter: Arc<Meter>,
    pub(super) exported: Arc<Exported>,
    pub(super) shipper: Option<Arc<Shipper>>,
    pub(super) decisions: Option<Arc<Decisions>>,
    pub(super) witness: Arc<dyn Witness>,
}

/// Makes them; nothing is connected yet.
pub(super) fn telling(settings: &Settings, random: &Randomness) -> Result<Telling, ServeError> {
    let meter = Arc::new(Meter::new(Arc::new(SystemClock)));
    let exported = Arc::<Exported>::default();
    let own = (own_name(random), random.generator().random());
    let made = settings.otlp.as_ref().map(|otlp| Shipper::new(otlp, (&own.0, own.1), &exported)).transpose();
    let (shipper, spans) = made.map_err(|e| ServeError::Otlp(e.to_string()))?.unzip();
    let decisions = decisions(settings)?;
    let (spans, shipper) = (spans.flatten(), shipper.map(Arc::new));
    let witness = Arc::new(Listeners { meter: meter.clone(), decisions: decisions.clone(), spans });
    Ok(Telling { meter, exported, shipper, decisions, witness })
}

/// The log of decisions, where there is one.
fn decisions(settings: &Settings) -> Result<Option<Arc<Decisions>>, ServeError> {
    let log = Decisions::open(&settings.decisions, Arc::new(SystemClock)).map_err(ServeError::Decisions)?;
    if log.is_some() {
        signals::outlive_hangup();
    }
    Ok(log)
}

/// What is looked at when somebody asks how the process is.
pub(super) fn gauges(
    settings: &Settings,
    shared: &Shared,
    (follower, readiness): (&Arc<Follower>, &Readiness),
) -> Gauges {
    let file = settings.database.url.embedded();
    Gauges {
        meter: shared.meter.clone(),
        memory: shared.memory.clone(),
        most: settings.memory,
        follower: follower.clone(),
        stage: readiness.watch(),
        limits: shared.limits.clone(),
        store: shared.store.clone(),
        queries: shared.queries.clone(),
        workers: shared.workers.clone(),
        usage: shared.usage.clone(),
        exported: shared.exported.clone(),
        folder: file.map(|file| match file.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
            Some(_) | None => ".".into(),
        }),
        ports: OnceLock::new(),
        visits: OnceLock::new(),
    }
}

/// The page that a scraper reads.
pub(super) fn metrics(gauges: Arc<Gauges>) -> Metrics {
    Arc::new(move || prometheus::text(&gauges.sheet()))
}
