//! Counters of shadow denials (Checks that were allowed and would have been denied), by profile and reason.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use latchkey_core::reason::Reason;

use super::definitions;
use super::metric::MetricSnapshot;
use super::profile_slots::{ProfileSlots, SLOTS};

/// Counters by profile slot and reason.
pub(super) struct ShadowCounters(Vec<[AtomicU64; Reason::ALL.len()]>);

impl ShadowCounters {
    pub(super) fn new() -> Self {
        Self((0..SLOTS).map(|_| Default::default()).collect())
    }

    /// Counts one shadow denial.
    pub(super) fn count(&self, profile: usize, reason: Reason) {
        if let Some(cell) = self.0.get(profile).and_then(|reasons| reasons.get(reason as usize)) {
            let _ = cell.fetch_add(1, Relaxed);
        }
    }

    /// Adds all counters that are not 0 to a snapshot.
    pub(super) fn collect(&self, profiles: &ProfileSlots, snapshot: &mut MetricSnapshot) {
        for (number, reasons) in self.0.iter().enumerate() {
            let Some(profile) = profiles.name(number) else { continue };
            for (reason, count) in Reason::ALL.iter().zip(reasons) {
                let count = count.load(Relaxed);
                if count > 0 {
                    snapshot.add_u64(&definitions::SHADOW, &[profile, reason.name()], count);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_profile_and_reason_is_counted_by_itself() {
        let (shadows, profiles) = (ShadowCounters::new(), ProfileSlots::new());
        let shop = profiles.slot(Some("shop"));
        shadows.count(shop, Reason::Revoked);
        shadows.count(shop, Reason::Revoked);
        shadows.count(profiles.slot(None), Reason::Disabled);
        let mut snapshot = MetricSnapshot::default();
        shadows.collect(&profiles, &mut snapshot);
        let points = snapshot.0.iter().flat_map(|family| &family.points);
        let actual: Vec<_> = points.map(|point| (point.labels.clone(), point.value.clone())).collect();
        let point = |profile: &str, reason: &str, count| {
            (vec![profile.to_owned(), reason.to_owned()], crate::metric::Value::Integer(count))
        };
        assert_eq!(actual.len(), 2);
        assert!(actual.contains(&point("shop", "REVOKED", 2)) && actual.contains(&point("", "DISABLED", 1)));
    }
}
