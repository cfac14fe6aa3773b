//! Who hears of answers, and who is asked how the process is.

use std::sync::Arc;

use latchkey_config::{DecisionLog, DecisionTarget, Settings};
use latchkey_core::witness::Witness;
use latchkey_telemetry::otlp::{Clocks, Shipper};
use latchkey_telemetry::{Decisions, Exported, Listeners, Meter, Registry, Share, Shares, prometheus};
use rand::RngExt as _;

use super::{Shared, own_name};
use crate::clock::{SystemClock, nanos_now};
use crate::error::ServeError;
use crate::follower::Follower;
use crate::random::Randomness;
use crate::readiness::Readiness;
use crate::side::Metrics;
use crate::{gauges, settings as given, signals};

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
    let make = |otlp| {
        let clocks = Clocks { clock: Arc::new(SystemClock), nanos_now };
        Shipper::new(&given::otlp(otlp), (&own.0, own.1), &exported, clocks)
    };
    let made = settings.otlp.as_ref().map(make).transpose();
    let (shipper, spans) = made.map_err(|e| ServeError::Otlp(e.to_string()))?.unzip();
    let decisions = decisions(&settings.decisions)?;
    let (spans, shipper) = (spans.flatten(), shipper.map(Arc::new));
    let witness = Arc::new(Listeners { meter: meter.clone(), decisions: decisions.clone(), spans });
    Ok(Telling { meter, exported, shipper, decisions, witness })
}

/// The log of decisions, where there is one.
fn decisions(log: &DecisionLog) -> Result<Option<Arc<Decisions>>, ServeError> {
    let shares = Shares { allowed: Share::of(log.allowed), denied: Share::of(log.denied) };
    let clock = Arc::new(SystemClock);
    let decisions = match &log.target {
        DecisionTarget::Off => return Ok(None),
        DecisionTarget::Stdout => Decisions::to_stdout(shares, clock),
        DecisionTarget::File(path) => {
            Decisions::to_file(path, shares, clock).map_err(ServeError::Decisions)?
        }
    };
    signals::outlive_hangup();
    Ok(Some(Arc::new(decisions)))
}

/// Every part that is there before a port is bound, registered as a source of metrics.
pub(super) fn registry(
    settings: &Settings,
    shared: &Shared,
    (follower, readiness): (&Arc<Follower>, &Readiness),
) -> Registry {
    let folder = settings.database.url.embedded().map(|file| match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
        Some(_) | None => ".".into(),
    });
    let registry = Registry::default();
    let (meter, queries, exported) = (shared.meter.clone(), shared.queries.clone(), shared.exported.clone());
    registry.register(move |sheet| meter.tell(sheet));
    registry.register(gauges::memory(shared.memory.clone(), settings.memory));
    registry.register(gauges::feed(follower.clone(), readiness.watch()));
    registry.register(gauges::limits(shared.limits.clone()));
    registry.register(move |sheet| queries.tell(sheet));
    registry.register(gauges::store(shared.store.clone(), folder));
    registry.register(gauges::work(shared.workers.clone(), shared.usage.clone()));
    registry.register(move |sheet| exported.tell(sheet));
    registry
}

/// The page that a scraper reads.
pub(super) fn metrics(registry: Arc<Registry>) -> Metrics {
    Arc::new(move || prometheus::text(&registry.sheet()))
}
