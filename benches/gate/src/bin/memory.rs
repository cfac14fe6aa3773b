//! Measures the bytes that a cached key takes: the process's own size before and after the given number of keys
//! was looked up, with the allocator that ships. `memory 1000000 10000000` measures each number in a process of
//! its own, and prints a Markdown table.

use std::process::Command;

use latchkey_bench_gate::{GateFixture, Workload};

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

type BoxError = Box<dyn std::error::Error>;

#[expect(clippy::print_stdout, reason = "the program prints its result")]
fn main() -> Result<(), BoxError> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [word, count] = arguments.as_slice()
        && word == "alone"
    {
        println!("{}", measure(count.parse()?)?);
        return Ok(());
    }
    println!("| keys | process, MB | bytes a key | computed |\n|---|---|---|---|");
    for count in &arguments {
        let output = Command::new(std::env::current_exe()?).args(["alone", count]).output()?;
        print!("{}", String::from_utf8(output.stdout)?);
    }
    Ok(())
}

/// Returns a row of the table.
#[expect(clippy::cast_precision_loss, reason = "a figure for people")]
fn measure(count: usize) -> Result<String, BoxError> {
    let tenants = (count / 100).clamp(1, 100_000);
    let fixture = GateFixture::empty(&Workload { keys: count, tenants, ..Workload::default() });
    // The first keys cause allocations that do not depend on the number of keys.
    fixture.warm_cache(0..1_000.min(count));
    let (before, few) = (resident()?, fixture.cache.bytes());
    fixture.warm_cache(1_000..count);
    assert_eq!(fixture.cache.key_count(), count, "all keys are cached");
    let more = count.saturating_sub(1_000).max(1) as f64;
    let (after, all) = (resident()?, fixture.cache.bytes());
    let (grown, computed) = ((after - before) as f64 / more, (all - few) as f64 / more);
    Ok(format!("| {count} | {} | {grown:.0} | {computed:.0} |", after >> 20))
}

/// Returns the bytes of memory that the process holds.
fn resident() -> Result<usize, BoxError> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("no VmRSS")?;
    let kilobytes: usize = line.trim().trim_end_matches(" kB").parse()?;
    Ok(kilobytes << 10)
}
