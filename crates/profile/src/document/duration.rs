//! Durations: `30s`, `15m`, `1h`, `30d`.

use std::time::Duration;

use crate::reader::Text;

const DAY: Duration = Duration::from_hours(24);

/// Reads a duration of 1 second to a number of days.
pub(super) fn read(text: &Text<'_>, longest_days: u32) -> Option<Duration> {
    let duration = parse(text).filter(|duration| !duration.is_zero() && *duration <= DAY * longest_days);
    if duration.is_none() {
        text.report(format!(
            "\"{}\" is not a duration of 1 second to {longest_days} days: write \"30s\", \"15m\", \"1h\" or \"30d\"",
            text.value
        ));
    }
    duration
}

fn parse(text: &str) -> Option<Duration> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (count, unit) = text.split_at(digits);
    let unit: u64 = match unit {
        "s" => 1,
        "m" | "min" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => return None,
    };
    let seconds = count.parse::<u64>().ok()?.checked_mul(unit)?;
    Some(Duration::from_secs(seconds))
}
