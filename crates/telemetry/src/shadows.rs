//! Counts Checks that passed and would have been denied, by profile and reason.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use latchkey_core::reason::Reason;

use super::catalogue;
use super::metric::Sheet;
use super::profiles::{Profiles, SLOTS};

/// A cell for each profile's number and each reason.
pub(super) struct Shadows(Vec<[AtomicU64; Reason::ALL.len()]>);

impl Shadows {
    pub(super) fn new() -> Self {
        Self((0..SLOTS).map(|_| Default::default()).collect())
    }

    /// Counts one.
    pub(super) fn count(&self, profile: usize, reason: Reason) {
        if let Some(cell) = self.0.get(profile).and_then(|reasons| reasons.get(reason as usize)) {
            let _ = cell.fetch_add(1, Relaxed);
        }
    }

    /// Writes down what was counted.
    pub(super) fn tell(&self, profiles: &Profiles, sheet: &mut Sheet) {
        for (number, reasons) in self.0.iter().enumerate() {
            let Some(profile) = profiles.name(number) else { continue };
            for (reason, count) in Reason::ALL.iter().zip(reasons) {
                let count = count.load(Relaxed);
                if count > 0 {
                    sheet.count(&catalogue::SHADOW, &[profile, reason.name()], count);
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
        let (shadows, profiles) = (Shadows::new(), Profiles::new());
        let shop = profiles.number(Some("shop"));
        shadows.count(shop, Reason::Revoked);
        shadows.count(shop, Reason::Revoked);
        shadows.count(profiles.number(None), Reason::Disabled);
        let mut sheet = Sheet::default();
        shadows.tell(&profiles, &mut sheet);
        let points = sheet.0.iter().flat_map(|family| &family.points);
        let told: Vec<_> = points.map(|point| (point.labels.clone(), point.value.clone())).collect();
        let point = |profile: &str, reason: &str, count| {
            (vec![profile.to_owned(), reason.to_owned()], crate::metric::Value::Whole(count))
        };
        assert_eq!(told.len(), 2);
        assert!(told.contains(&point("shop", "REVOKED", 2)) && told.contains(&point("", "DISABLED", 1)));
    }
}
