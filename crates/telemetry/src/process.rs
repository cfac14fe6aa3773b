//! Metrics of this process from the operating system, read from `/proc`; without `/proc`, they are absent.

use std::fs;

use super::definitions;
use super::metric::MetricSnapshot;

/// Adds the process's metrics to a snapshot.
pub(crate) fn collect(snapshot: &mut MetricSnapshot) {
    let Some(stat) = fs::read_to_string("/proc/self/stat").ok().and_then(|text| ProcStat::read(&text)) else {
        return;
    };
    let ticks = count(rustix::param::clock_ticks_per_second());
    snapshot.add_f64(&definitions::PROCESS_CPU, &[], stat.cpu / ticks);
    let page = rustix::param::page_size() as u64;
    snapshot.add_u64(&definitions::PROCESS_MEMORY, &[], stat.pages * page);
    if let Ok(open) = fs::read_dir("/proc/self/fd") {
        // The descriptor of the directory itself is open while it is read.
        snapshot.add_usize(&definitions::PROCESS_FILES, &[], open.count().saturating_sub(1));
    }
    if let Some(most) = rustix::process::getrlimit(rustix::process::Resource::Nofile).current {
        snapshot.add_u64(&definitions::PROCESS_FILES_LIMIT, &[], most);
    }
    snapshot.add_u64(&definitions::PROCESS_THREADS, &[], stat.threads);
    let boot = fs::read_to_string("/proc/stat").ok().and_then(|text| boot_time(&text));
    if let Some(boot) = boot {
        snapshot.add_f64(&definitions::PROCESS_START, &[], boot + stat.started / ticks);
    }
}

/// Fields of `/proc/self/stat`, in clock ticks and pages.
struct ProcStat {
    cpu: f64,
    threads: u64,
    started: f64,
    pages: u64,
}

impl ProcStat {
    /// Parses the file. The second field is the program's name in brackets, and may hold any character.
    fn read(text: &str) -> Option<Self> {
        let rest: Vec<&str> = text.rsplit_once(')')?.1.split_ascii_whitespace().collect();
        // The first of these is the third field of proc(5).
        let field = |number: usize| rest.get(number - 3)?.parse::<u64>().ok();
        Some(Self {
            cpu: count(field(14)?) + count(field(15)?),
            threads: field(20)?,
            started: count(field(22)?),
            pages: field(24)?,
        })
    }
}

/// Returns the machine's boot time, in seconds since 1970.
fn boot_time(text: &str) -> Option<f64> {
    text.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()
}

#[expect(clippy::cast_precision_loss, reason = "ticks since a start are far below 2^53")]
fn count(ticks: u64) -> f64 {
    ticks as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_brackets_and_spaces_does_not_shift_the_fields() {
        let numbers: Vec<String> = (4..=52).map(|n| n.to_string()).collect();
        let stat = ProcStat::read(&format!("7 (a) b) S {}", numbers.join(" "))).unwrap();
        assert_eq!((stat.threads, stat.pages), (20, 24));
        assert!((stat.cpu - 29.0).abs() < 1e-9 && (stat.started - 22.0).abs() < 1e-9);
        assert!(ProcStat::read("7 (a S").is_none());
    }

    #[test]
    fn the_boot_time_is_found_among_the_other_lines() {
        assert_eq!(boot_time("cpu 1 2\nbtime 1700000000\nprocesses 9\n"), Some(1_700_000_000.0));
        assert_eq!(boot_time("cpu 1"), None);
    }
}
