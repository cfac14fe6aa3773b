//! Computes what a deployment needs from input figures. `docs/scale.md` explains the results.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "the program prints its result")]

mod figures;
mod model;
mod propagation;

use std::process::ExitCode;

use figures::Inputs;
use propagation::Fault;

const MIB: f64 = 1_048_576.0;

fn main() -> ExitCode {
    match Inputs::read(std::env::args().skip(1)) {
        Ok(inputs) => {
            print_report(&inputs);
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(2)
        }
    }
}

fn print_report(inputs: &Inputs) {
    println!("Figures");
    for (figure, value) in inputs.all() {
        println!("  {:<12} {value:>12} {:<13} {}", figure.name, figure.unit, figure.source);
    }
    let estimate = model::estimate(inputs);
    let postgres = inputs.get("postgres");
    println!("\nA replica");
    println!("  can serve {:.0} Checks/s and receives {:.0}", estimate.carries, estimate.load);
    println!("  caches keys in {:.0} MiB", estimate.memory / MIB);
    println!(
        "  finds its key remembered: {:.1} % where all keys are used alike, {:.1} % where the n-th is used 1/n as often;\n  \
         {:.1} % where all are used alike and each key's calls go to one replica",
        100.0 * estimate.hits[0],
        100.0 * estimate.hits[1],
        100.0 * estimate.hits[2]
    );
    println!("\nPostgreSQL, which executes {postgres:.0} statements/s");
    println!(
        "  cold start of one replica: {:.0} queries/s, of all at once {:.0}",
        estimate.cold[0], estimate.cold[1]
    );
    for seconds in [60.0, 600.0, 3_600.0] {
        let share = 100.0 * model::unseen(inputs, seconds);
        println!(
            "    after {seconds:>4} s, {share:.1} % of Checks ask for a key not seen before (all used alike)"
        );
    }
    println!(
        "  following the feed: {:.0} statements/s quiet, {:.0} with the writes",
        estimate.feed[0], estimate.feed[1]
    );
    println!(
        "  maximum number of replicas at this rate of writes: {:.0}",
        inputs.get("replicas") * postgres / estimate.feed[1]
    );
    println!("\nRedis, of which one node executes {:.0} scripts/s", inputs.get("redis"));
    for (what, requests) in [
        ("leased, a key's calls on all replicas", estimate.redis[0]),
        ("leased, a key's calls on one replica", estimate.redis[1]),
        ("exact", estimate.redis[2]),
    ] {
        println!("  {what:<38} {requests:>9.0} requests/s, {:.1} nodes", requests / inputs.get("redis"));
    }
    println!("\nRevokeKey, simulated (measured with three replicas: {:.0} ms)", inputs.get("revoke_ms"));
    for (what, fault) in
        [("quiet", Fault::None), ("wake-ups cut", Fault::WakeUps), ("one replica cut off", Fault::CutOff)]
    {
        let [half, most, all] = propagation::simulate(inputs, fault, 2_000);
        println!("  {what:<20} p50 {half:>7.1} ms, p99 {most:>7.1} ms, max {all:>7.1} ms");
    }
}
