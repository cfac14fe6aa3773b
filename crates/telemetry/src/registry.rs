//! Registry of everything that is measured. Each part of the process registers a source when it is made; a scrape or
//! an export asks all of them, and none may wait: a part that hangs writes what was known last.

use std::sync::{PoisonError, RwLock};

use super::metric::Sheet;
use super::{catalogue, decisions, process, writer};

type Source = Box<dyn Fn(&mut Sheet) + Send + Sync>;

/// Sources of metrics, in the order in which they were registered.
#[derive(Default)]
pub struct Registry(RwLock<Vec<Source>>);

impl Registry {
    /// Adds a source. A metric belongs to one source, so that its values stand together.
    pub fn register(&self, source: impl Fn(&mut Sheet) + Send + Sync + 'static) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).push(Box::new(source));
    }

    /// Asks every source, and then adds what this crate measures itself: lost log lines, the build and the process.
    #[must_use]
    pub fn sheet(&self) -> Sheet {
        let mut sheet = Sheet::default();
        for source in &*self.0.read().unwrap_or_else(PoisonError::into_inner) {
            source(&mut sheet);
        }
        sheet.count(&catalogue::LOG_DROPPED, &[], writer::dropped());
        sheet.count(&catalogue::DECISIONS_DROPPED, &[], decisions::dropped());
        sheet.count(&catalogue::BUILD_INFO, &[env!("CARGO_PKG_VERSION")], 1);
        process::tell(&mut sheet);
        sheet
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_source_is_asked_each_time_and_in_its_order() {
        let registry = Registry::default();
        registry.register(|sheet| sheet.flag(&catalogue::READY, true));
        registry.register(|sheet| sheet.count(&catalogue::FEED_REVISION, &[], 7));
        for _ in 0..2 {
            let names: Vec<_> = registry.sheet().0.iter().map(|family| family.metric.name).collect();
            assert_eq!(names[..2], [catalogue::READY.name, catalogue::FEED_REVISION.name]);
            assert!(names.contains(&catalogue::BUILD_INFO.name), "{names:?}");
        }
    }
}
