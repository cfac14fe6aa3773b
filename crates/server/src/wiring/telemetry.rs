//! Construction of the observers, the metrics registry and the exporter.

use std::sync::Arc;

use latchkey_config::{DecisionLogSettings, DecisionLogTarget, Settings};
use latchkey_core::observer::CheckObserver;
use latchkey_telemetry::otlp::{Clocks, OtlpExporter};
use latchkey_telemetry::{
    DecisionLogger, ExportStats, MetricsObserver, ObserverSet, Registry, SampleRate, SampleRates, prometheus,
};
use rand::RngExt as _;

use super::{SharedParts, random_id};
use crate::clock::{SystemClock, unix_nanos};
use crate::error::ServeError;
use crate::follower::Follower;
use crate::host_checks::HostMonitor;
use crate::http_server::MetricsRenderer;
use crate::metric_sources;
use crate::random::Randomness;
use crate::readiness::Readiness;

/// Observers and exporters of the process.
pub(super) struct TelemetryParts {
    pub(super) metrics: Arc<MetricsObserver>,
    pub(super) export_stats: Arc<ExportStats>,
    pub(super) exporter: Option<Arc<OtlpExporter>>,
    pub(super) decisions: Option<Arc<DecisionLogger>>,
    pub(super) observer: Arc<dyn CheckObserver>,
}

/// Metrics registry, exporter and decision log of the process.
pub(crate) struct TelemetryHandles {
    pub(crate) registry: Arc<Registry>,
    pub(crate) exporter: Option<Arc<OtlpExporter>>,
    pub(crate) decisions: Option<Arc<DecisionLogger>>,
}

/// Makes the observers and exporters; no connection is opened yet.
pub(super) fn connect_telemetry(
    settings: &Settings,
    random: &Randomness,
) -> Result<TelemetryParts, ServeError> {
    let metrics = Arc::new(MetricsObserver::new(Arc::new(SystemClock)));
    let export_stats = Arc::<ExportStats>::default();
    let own = (random_id(random), random.generator().random());
    let make = |otlp| {
        let clocks = Clocks { clock: Arc::new(SystemClock), unix_nanos };
        OtlpExporter::new(otlp, &own.0, own.1, &export_stats, clocks)
    };
    let (exporter, spans) = settings.otlp.as_ref().map(make).transpose()?.unzip();
    let decisions = decisions(&settings.decisions)?;
    let (spans, exporter) = (spans.flatten(), exporter.map(Arc::new));
    let observer = Arc::new(ObserverSet { metrics: metrics.clone(), decisions: decisions.clone(), spans });
    Ok(TelemetryParts { metrics, export_stats, exporter, decisions, observer })
}

/// Makes the decision log, if there is one.
fn decisions(log: &DecisionLogSettings) -> Result<Option<Arc<DecisionLogger>>, ServeError> {
    let rates = SampleRates { allowed: SampleRate::new(log.allowed), denied: SampleRate::new(log.denied) };
    let clock = Arc::new(SystemClock);
    let decisions = match &log.target {
        DecisionLogTarget::Off => return Ok(None),
        DecisionLogTarget::Stdout => DecisionLogger::to_stdout(rates, clock),
        DecisionLogTarget::File(path) => {
            DecisionLogger::to_file(path, rates, clock).map_err(ServeError::DecisionLog)?
        }
    };
    Ok(Some(Arc::new(decisions)))
}

/// Makes the registry, with all parts that exist before ports are bound as metric sources.
pub(super) fn registry(
    settings: &Settings,
    shared: &SharedParts,
    follower: &Arc<Follower>,
    readiness: &Readiness,
) -> Registry {
    let file = settings.database.url.embedded().map(std::path::Path::to_owned);
    let registry = Registry::default();
    let (meter, query_durations, export_stats) =
        (shared.metrics.clone(), shared.query_durations.clone(), shared.export_stats.clone());
    registry.register(move |snapshot| meter.collect(snapshot));
    registry.register(metric_sources::cache(shared.cache.clone(), settings.cache_max_bytes));
    registry.register(metric_sources::feed(follower.clone(), readiness.watch()));
    registry.register(metric_sources::limits(shared.limiter.clone()));
    registry.register(move |snapshot| query_durations.collect(snapshot));
    registry.register(metric_sources::store(shared.store.clone(), file));
    registry.register(metric_sources::work(shared.blocking_pool.clone(), shared.usage.clone()));
    registry.register(move |snapshot| export_stats.collect(snapshot));
    registry
}

/// Returns the renderer of the metrics page.
pub(super) fn metrics_renderer(registry: Arc<Registry>) -> MetricsRenderer {
    Arc::new(move || prometheus::render(&registry.snapshot()))
}

/// Creates the monitor of the host checks and registers its metrics.
pub(super) fn host_monitor(settings: &Settings, shared: &SharedParts, registry: &Registry) -> HostMonitor {
    let (store, catalog, clock) = (shared.store.clone(), shared.catalog.clone(), shared.clock.clone());
    let monitor = HostMonitor::new(settings, store, catalog, clock);
    registry.register(metric_sources::host(monitor.status.clone()));
    monitor
}
