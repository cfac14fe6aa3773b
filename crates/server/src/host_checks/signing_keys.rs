//! Schedule of the keys that sign JWTs. A replica makes a successor before a key's period ends; if that fails for long,
//! or if a clock was wrong when a key was made, tokens cannot be issued or are signed by an old key.

use std::time::Duration;

use latchkey_core::time::Timestamp;
use latchkey_core::token::{KeyStage, SigningKeyRecord};
use latchkey_management::rotation::ROTATION_PERIOD;

use super::{HostCheck, HostFinding, finding};
use crate::doctor::{Area, Severity};

/// Time after the end of a period that the schedule has for a successor: it tries every second.
const GRACE: Duration = Duration::from_hours(1);

/// Returns the finding about the keys of a profile that issues tokens. A profile without any keys has none: the first
/// start makes them.
pub(super) fn examine(profile: &str, keys: &[SigningKeyRecord], now: Timestamp) -> Option<HostFinding> {
    let own = || keys.iter().filter(|key| *key.profile == *profile);
    let at = |stage: KeyStage| own().filter(move |key| key.stage(now) == stage);
    own().next()?;
    let remedy = format!(
        "read the log of a replica for \"failed to maintain signing keys of {profile}\"; `latchkey signing-key rotate {profile}` \
         makes a successor"
    );
    let (severity, key, what) = match (
        at(KeyStage::Signing).max_by_key(|key| key.signs_from),
        at(KeyStage::Published).min_by_key(|key| key.signs_from),
    ) {
        (None, Some(next)) => (
            Severity::Error,
            "none",
            format!(
                "no key signs the tokens of {profile} before {}, when {} does: a clock was ahead when it was made",
                next.signs_from, next.id
            ),
        ),
        (None, None) => (
            Severity::Error,
            "none",
            format!("no key signs the tokens of {profile}: no replica has made a successor"),
        ),
        (Some(key), None)
            if key.signs_until.is_none() && key.signs_from.plus(ROTATION_PERIOD + GRACE) <= now =>
        {
            let what = format!(
                "the signing key {} of {profile} signs since {}, longer than its {} days, and has no successor",
                key.id,
                key.signs_from,
                ROTATION_PERIOD.as_secs() / 86_400
            );
            (Severity::Warning, "overdue", what)
        }
        (Some(_), _) => return None,
    };
    let found = finding(Area::Database, severity, what, remedy);
    Some(HostFinding::new(HostCheck::SigningKeys, format!("{profile} {key}"), found))
}

#[cfg(test)]
mod tests {
    use latchkey_core::seal::Sealed;
    use latchkey_core::token::SigningAlgorithm;

    use super::*;

    fn key(from: Timestamp, until: Option<Timestamp>) -> SigningKeyRecord {
        SigningKeyRecord {
            id: "k".into(),
            profile: "shop".into(),
            algorithm: SigningAlgorithm::EdDsa,
            sealed: Sealed(vec![]),
            created: Timestamp(0),
            signs_from: from,
            signs_until: until,
            longest_ttl: Duration::from_secs(60),
            withdrawn: None,
        }
    }

    #[test]
    fn a_schedule_that_has_stopped_is_reported() {
        let now = Timestamp(0).plus(ROTATION_PERIOD * 2);
        let start = Timestamp(0).plus(ROTATION_PERIOD);
        let severity =
            |keys: &[SigningKeyRecord], now| examine("shop", keys, now).map(|f| f.finding.severity);
        assert_eq!(severity(&[], now), None);
        assert_eq!(severity(&[key(start, None)], now), None, "the schedule has an hour");
        assert_eq!(severity(&[key(start, None)], now.plus(GRACE)), Some(Severity::Warning));
        let next = [key(start, Some(now.plus(GRACE * 2))), key(now.plus(GRACE * 2), None)];
        assert_eq!(severity(&next, now.plus(GRACE)), None);
        assert_eq!(severity(&[key(now.plus(GRACE), None)], now), Some(Severity::Error));
        assert_eq!(severity(&[key(Timestamp(0), Some(start))], now), Some(Severity::Error));
        assert_eq!(examine("other", &[key(start, None)], now.plus(GRACE)), None);
    }
}
