//! Ages of events as text.

use prost_types::Timestamp;

const MINUTE: i64 = 60;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// Returns the age of a time in seconds, at least 0.
fn seconds_since(time: &Timestamp) -> i64 {
    latchkey_server::unix_seconds().saturating_sub(time.seconds).max(0)
}

/// Returns the age of a time, such as `3 min ago`.
pub(crate) fn ago(time: &Timestamp) -> String {
    format_age(seconds_since(time))
}

fn format_age(seconds: i64) -> String {
    match seconds {
        0..MINUTE => "just now".to_owned(),
        MINUTE..HOUR => format!("{} min ago", seconds / MINUTE),
        HOUR..DAY => format!("{} h ago", seconds / HOUR),
        _ => format!("{} ago", days(seconds)),
    }
}

fn days(seconds: i64) -> String {
    let days = seconds / DAY;
    format!("{days} day{}", if days == 1 { "" } else { "s" })
}

/// Describes when a key was last used, or for how long it has been unused.
pub(crate) fn last_use(used: Option<&Timestamp>, made: Option<&Timestamp>) -> String {
    match (used, made) {
        (Some(used), _) if seconds_since(used) < DAY => ago(used),
        (Some(used), _) => format!("unused for {}", days(seconds_since(used))),
        (None, Some(made)) if seconds_since(made) >= DAY => {
            format!("never used in {}", days(seconds_since(made)))
        }
        (None, _) => "never used".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn before(seconds: i64) -> Timestamp {
        Timestamp { seconds: latchkey_server::unix_seconds() - seconds, nanos: 0 }
    }

    #[test]
    fn ages_are_written_in_the_largest_unit() {
        let said: Vec<String> = [0, 59, 60, 3_599, 3_600, 86_399, 86_400, 172_800].map(format_age).to_vec();
        let expected = [
            "just now",
            "just now",
            "1 min ago",
            "59 min ago",
            "1 h ago",
            "23 h ago",
            "1 day ago",
            "2 days ago",
        ];
        assert_eq!(said, expected);
    }

    #[test]
    fn the_last_use_says_how_long_a_key_is_unused() {
        assert_eq!(last_use(Some(&before(10 * DAY + 5)), None), "unused for 10 days");
        assert_eq!(last_use(None, Some(&before(3 * DAY + 5))), "never used in 3 days");
        assert_eq!(last_use(None, Some(&before(5))), "never used");
        assert_eq!(last_use(Some(&before(-500)), None), "just now", "clocks differ");
    }
}
