//! Parsers of single values. An error is a sentence with the remedy. It quotes the value, so no secret is parsed in this
//! file.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::{AuditAnchorSettings, DecisionLogTarget};

pub(super) type ParseResult<T> = Result<T, String>;

/// Parses `127.0.0.1:50051`, `[::1]:50051` or `localhost:50051`.
pub(super) fn address(text: &str) -> ParseResult<SocketAddr> {
    let local = text.strip_prefix("localhost:").map(|port| format!("127.0.0.1:{port}"));
    let remedy =
        || format!("{text:?} is not an address: write IP:PORT, such as 127.0.0.1:50051, or unix:PATH");
    local.as_deref().unwrap_or(text).parse().map_err(|_| remedy())
}

/// Returns whether two listeners at these addresses conflict. Port 0 is any free port, which never conflicts.
pub(super) fn collide(one: SocketAddr, other: SocketAddr) -> bool {
    let everywhere = one.ip().is_unspecified() || other.ip().is_unspecified();
    let same = one.ip() == other.ip() || (everywhere && one.is_ipv4() == other.is_ipv4());
    same && one.port() == other.port() && one.port() != 0
}

/// Parses `true` or `false`, or a common synonym.
pub(super) fn switch(text: &str) -> ParseResult<bool> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" | "on" => Ok(true),
        "false" | "0" | "no" | "off" => Ok(false),
        _ => Err(format!("{text:?} is neither true nor false")),
    }
}

/// Reads the file of a path, and returns both.
pub(super) fn file(path: &str) -> ParseResult<(PathBuf, Vec<u8>)> {
    let content = std::fs::read(path).map_err(|error| format!("{path:?} can't be read: {error}"))?;
    Ok((path.into(), content))
}

/// Parses a whole number within bounds.
pub(super) fn number(text: &str, least: usize, most: usize) -> ParseResult<usize> {
    let read = text.parse().ok().filter(|n| (least..=most).contains(n));
    read.ok_or_else(|| format!("{text:?} is not a whole number from {least} to {most}"))
}

/// Parses `512MiB`, `2GiB`, or bytes without a unit, within bounds.
pub(super) fn bytes(text: &str, least: usize, most: usize) -> ParseResult<usize> {
    let remedy = || format!("{text:?} is not a size from 1MiB to {}GiB: write 512MiB or 2GiB", most >> 30);
    let unit = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (count, unit) = text.split_at(unit);
    let shift = match unit {
        "" => 0,
        "KiB" => 10,
        "MiB" => 20,
        "GiB" => 30,
        _ => return Err(remedy()),
    };
    let count: Option<usize> = count.parse().ok();
    let read = count.and_then(|count| count.checked_mul(1 << shift)).filter(|n| (least..=most).contains(n));
    read.ok_or_else(remedy)
}

/// Parses `5s`, `250ms`, `0.5s`, `1m` or `90d`, within bounds.
pub(super) fn duration(text: &str, least: Duration, most: Duration) -> ParseResult<Duration> {
    let unit = text.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(text.len());
    let (count, unit) = text.split_at(unit);
    let seconds = match unit {
        "ms" => 0.001,
        "s" => 1.0,
        "m" => 60.0,
        "h" => 3_600.0,
        "d" => 86_400.0,
        _ => return Err(format!("{text:?} is not a duration: write 5s or 250ms")),
    };
    let count: f64 = count.parse().map_err(|_| format!("{text:?} is not a duration: write 5s or 250ms"))?;
    let read = Duration::try_from_secs_f64(count * seconds).ok().filter(|d| (least..=most).contains(d));
    read.ok_or_else(|| format!("{text:?} is out of bounds: write {least:?} to {most:?}"))
}

/// Parses `off`, `stdout` or a path.
pub(super) fn decision_target(text: &str) -> ParseResult<DecisionLogTarget> {
    match text {
        "off" => Ok(DecisionLogTarget::Off),
        "stdout" => Ok(DecisionLogTarget::Stdout),
        path if path.contains('/') => Ok(DecisionLogTarget::File(path.into())),
        _ => Err(format!(
            "{text:?} is neither off nor stdout, nor a path: write ./{text} for a file in the working directory"
        )),
    }
}

/// Parses a ratio from 0 to 1.
pub(super) fn share(text: &str) -> ParseResult<f64> {
    let share = text.parse().ok().filter(|share| (0.0..=1.0).contains(share));
    share.ok_or_else(|| {
        format!("{text:?} is not a ratio: write a number from 0 (none) to 1 (all), such as 0.01")
    })
}

/// Parses paths separated by commas; each must exist.
pub(super) fn paths(text: &str) -> ParseResult<Vec<PathBuf>> {
    let paths: Vec<PathBuf> =
        text.split(',').map(str::trim).filter(|p| !p.is_empty()).map(PathBuf::from).collect();
    let missing: Vec<String> =
        paths.iter().filter(|p| !p.exists()).map(|p| format!("{:?}", p.display().to_string())).collect();
    match missing.as_slice() {
        [] => Ok(paths),
        missing => {
            Err(format!("there is no {}: write files, or folders of .toml files", missing.join(", no ")))
        }
    }
}

/// Parses `log`, a path, both separated by a comma, or `none`.
pub(super) fn audit_anchor(text: &str) -> ParseResult<AuditAnchorSettings> {
    let mut anchor = AuditAnchorSettings::default();
    if text == "none" {
        return Ok(anchor);
    }
    for word in text.split(',').map(str::trim) {
        match word {
            "log" => anchor.log = true,
            "" | "none" => {
                return Err(format!(
                    "{text:?} is ambiguous: write log, the path of a file, both separated by a comma, or none alone"
                ));
            }
            // A word like these is more likely a misspelling than the name of a file.
            path if path.len() <= 5 && path.bytes().all(|b| b.is_ascii_alphabetic()) => {
                return Err(format!(
                    "{path:?} is neither log nor none, nor a path: write ./{path} for a file in the working directory"
                ));
            }
            path if anchor.file.is_none() => anchor.file = Some(PathBuf::from(path)),
            _ => return Err(format!("{text:?} names two files: give only one")),
        }
    }
    Ok(anchor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_with_their_unit_alone() {
        let read = |text| duration(text, Duration::from_millis(1), Duration::from_mins(1));
        assert_eq!(read("250ms"), Ok(Duration::from_millis(250)));
        assert_eq!(read("0.5s"), Ok(Duration::from_millis(500)));
        assert_eq!(read("1m"), Ok(Duration::from_mins(1)));
        for bad in ["5", "", "s", "5 s", "-1s", "2m", "NaNs", "infs", "0s", "5h"] {
            assert!(read(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_duration_out_of_bounds_is_refused_with_the_bounds() {
        let read = |text| duration(text, Duration::from_millis(1), Duration::from_mins(1));
        for bad in ["61s", "315576000001s", "99999999999999999999999999d", "0ms"] {
            assert_eq!(read(bad), Err(format!("{bad:?} is out of bounds: write 1ms to 60s")));
        }
    }

    #[test]
    fn a_size_is_read_with_its_unit_and_within_its_bounds() {
        let read = |text| bytes(text, 1 << 20, 1 << 40);
        assert_eq!(read("512MiB"), Ok(512 << 20));
        assert_eq!((read("2GiB"), read("1048576")), (Ok(2 << 30), Ok(1 << 20)));
        for bad in
            ["", "MiB", "1", "1KiB", "512 MiB", "512MB", "-1GiB", "1.5GiB", "2048GiB", "99999999999999GiB"]
        {
            assert!(read(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_share_is_from_none_to_all() {
        assert_eq!((share("0"), share("0.01"), share("1")), (Ok(0.0), Ok(0.01), Ok(1.0)));
        for bad in ["", "-0.1", "1.1", "NaN", "inf", "1%"] {
            assert!(share(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn an_address_has_an_ip_and_a_port() {
        assert_eq!(address("localhost:1"), address("127.0.0.1:1"));
        assert!(address("[::1]:50051").is_ok() && address("0.0.0.0:0").is_ok());
        for bad in ["50051", ":50051", "example.com:1", "127.0.0.1", "127.0.0.1:65536"] {
            assert!(address(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn an_anchor_is_the_log_a_file_both_or_none() {
        let read = |text: &str| audit_anchor(text).map(|a| (a.log, a.file.map(|f| f.display().to_string())));
        assert_eq!(read("log"), Ok((true, None)));
        assert_eq!(read("none"), Ok((false, None)));
        assert_eq!(read("anchors"), Ok((false, Some("anchors".into()))));
        assert_eq!(read("log, /var/lib/anchors"), Ok((true, Some("/var/lib/anchors".into()))));
        for bad in ["", "log,", "./a,./b", "none,log", "logs", "Log", "off"] {
            assert!(audit_anchor(bad).is_err(), "{bad:?}");
        }
    }
}
