//! Lifetimes of the keys of a kind, as a profile bounds them. A lifetime counts from a key's creation, so that a change
//! of the expiry cannot prolong it without end.

use std::time::Duration;

use crate::time::Timestamp;

/// Bounds of lifetimes. The default has none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LifetimeRules {
    /// Longest lifetime; `None` for no limit.
    pub max: Option<Duration>,
    /// Lifetime of a key whose request names none; `None` for a key that does not expire.
    pub default: Option<Duration>,
    /// True if each key must expire. A longest lifetime implies it.
    pub expiry_required: bool,
}

impl LifetimeRules {
    /// Returns whether a key without an expiry is not allowed.
    #[must_use]
    pub fn requires_expiry(&self) -> bool {
        self.expiry_required || self.max.is_some()
    }

    /// Returns the latest expiry of a key that was created at `created`; `None` for no limit.
    #[must_use]
    pub fn latest(&self, created: Timestamp) -> Option<Timestamp> {
        self.max.map(|max| created.plus(max))
    }

    /// Returns the expiry of a key that is created at `now` and whose request names none. It is at most `bound`, the
    /// expiry of the caller, which is taken where the kind has no default.
    #[must_use]
    pub fn implied(&self, created: Timestamp, now: Timestamp, bound: Option<Timestamp>) -> Option<Timestamp> {
        let default = self.default.map(|default| now.plus(default));
        let implied = default.into_iter().chain(bound).min()?;
        Some(self.latest(created).map_or(implied, |latest| implied.min(latest)))
    }

    /// Returns the expiry of the successor of a key: that of the key, but at most the longest lifetime from `now` on.
    /// Returns an error if the key has none, one is required, and there is neither a default nor a longest lifetime.
    pub fn of_successor(
        &self,
        expires: Option<Timestamp>,
        now: Timestamp,
    ) -> Result<Option<Timestamp>, ExpiryRequired> {
        let latest = self.latest(now);
        match (expires, self.default.map(|default| now.plus(default)).or(latest)) {
            (Some(at), _) => Ok(Some(latest.map_or(at, |latest| at.min(latest)))),
            (None, _) if !self.requires_expiry() => Ok(None),
            (None, Some(end)) => Ok(Some(end)),
            (None, None) => Err(ExpiryRequired),
        }
    }
}

/// Error of a key without an expiry where the rules require one and have no default.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an expiry is required")]
pub struct ExpiryRequired;

/// Returns a duration in the largest unit that it has a whole number of, as profiles write it (`90d`).
#[must_use]
pub fn in_largest_unit(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let units = [(86_400, "d"), (3_600, "h"), (60, "m")];
    let whole = units.into_iter().find(|(size, _)| seconds >= *size && seconds.is_multiple_of(*size));
    whole.map_or_else(|| format!("{seconds}s"), |(size, unit)| format!("{}{unit}", seconds / size))
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_secs(86_400);
    const NOW: Timestamp = Timestamp(1_000_000);

    fn rules(max: Option<u32>, default: Option<u32>, expiry_required: bool) -> LifetimeRules {
        LifetimeRules {
            max: max.map(|days| DAY * days),
            default: default.map(|days| DAY * days),
            expiry_required,
        }
    }

    #[test]
    fn a_request_without_an_expiry_gets_the_default_within_the_bounds() {
        let implied = |rules: LifetimeRules, bound| rules.implied(NOW, NOW, bound);
        let day = |days: u32| Some(NOW.plus(DAY * days));
        assert_eq!(implied(LifetimeRules::default(), None), None);
        assert_eq!(implied(rules(Some(90), Some(30), false), None), day(30));
        assert_eq!(implied(rules(Some(90), Some(30), false), day(7)), day(7));
        assert_eq!(implied(rules(Some(90), None, false), None), None, "the request must name one");
        assert_eq!(implied(rules(Some(90), None, false), day(365)), day(90));
    }

    #[test]
    fn a_successor_ends_with_its_key_and_within_the_longest_lifetime() {
        let day = |days: u32| Some(NOW.plus(DAY * days));
        let of = |rules: LifetimeRules, expires| rules.of_successor(expires, NOW);
        assert_eq!(of(LifetimeRules::default(), None), Ok(None));
        assert_eq!(of(rules(Some(90), None, false), day(10)), Ok(day(10)));
        assert_eq!(of(rules(Some(90), None, false), day(400)), Ok(day(90)));
        assert_eq!(of(rules(Some(90), None, false), None), Ok(day(90)));
        assert_eq!(of(rules(Some(90), Some(30), false), None), Ok(day(30)));
        assert_eq!(of(rules(None, None, true), None), Err(ExpiryRequired));
    }

    #[test]
    fn a_duration_is_written_as_in_a_profile() {
        let text = |seconds| in_largest_unit(Duration::from_secs(seconds));
        assert_eq!([7_776_000, 36_000, 90, 60].map(text), ["90d", "10h", "90s", "1m"]);
    }
}
