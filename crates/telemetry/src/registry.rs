//! Registry of the sources of metrics. Each part of the process registers a source when it is created; a scrape or an
//! export calls all of them. A source must not wait: a part whose measurement hangs reports its last known value.

use std::sync::{PoisonError, RwLock};

use super::metric::MetricSnapshot;
use super::{decision_log, definitions, non_blocking_writer, process};

type Source = Box<dyn Fn(&mut MetricSnapshot) + Send + Sync>;

/// Sources of metrics, in the order in which they were registered.
#[derive(Default)]
pub struct Registry(RwLock<Vec<Source>>);

impl Registry {
    /// Adds a source. A metric belongs to one source, so that its values stand together.
    pub fn register(&self, source: impl Fn(&mut MetricSnapshot) + Send + Sync + 'static) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).push(Box::new(source));
    }

    /// Collects all sources, and then adds this crate's own metrics: dropped log lines, the build and the process.
    #[must_use]
    pub fn snapshot(&self) -> MetricSnapshot {
        let mut snapshot = MetricSnapshot::default();
        for source in &*self.0.read().unwrap_or_else(PoisonError::into_inner) {
            source(&mut snapshot);
        }
        snapshot.add_u64(&definitions::LOG_DROPPED, &[], non_blocking_writer::dropped());
        snapshot.add_u64(&definitions::DECISIONS_DROPPED, &[], decision_log::dropped());
        snapshot.add_u64(&definitions::BUILD_INFO, &[env!("CARGO_PKG_VERSION")], 1);
        process::collect(&mut snapshot);
        snapshot
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_source_is_asked_each_time_and_in_its_order() {
        let registry = Registry::default();
        registry.register(|snapshot| snapshot.add_bool(&definitions::READY, true));
        registry.register(|snapshot| snapshot.add_u64(&definitions::FEED_REVISION, &[], 7));
        for _ in 0..2 {
            let names: Vec<_> = registry.snapshot().0.iter().map(|family| family.metric.name).collect();
            assert_eq!(names[..2], [definitions::READY.name, definitions::FEED_REVISION.name]);
            assert!(names.contains(&definitions::BUILD_INFO.name), "{names:?}");
        }
    }
}
