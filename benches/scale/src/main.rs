//! What a deployment needs, from figures: a model on paper that can be run. `docs/scale.md` says what it means.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "it is a program for a terminal")]

mod figures;
mod model;
mod spread;

use std::process::ExitCode;

use figures::Given;
use spread::Fault;

const MIB: f64 = 1_048_576.0;

fn main() -> ExitCode {
    match Given::read(std::env::args().skip(1)) {
        Ok(given) => {
            tell(&given);
            ExitCode::SUCCESS
        }
        Err(wrong) => {
            eprintln!("{wrong}");
            ExitCode::from(2)
        }
    }
}

fn tell(given: &Given) {
    println!("Figures");
    for (figure, value) in given.all() {
        println!("  {:<12} {value:>12} {:<13} {}", figure.name, figure.unit, figure.source);
    }
    let needs = model::needs(given);
    let postgres = given.get("postgres");
    println!("\nA replica");
    println!("  carries {:.0} Checks/s and is sent {:.0}", needs.carries, needs.load);
    println!("  remembers keys in {:.0} MiB", needs.memory / MIB);
    println!(
        "  finds its key remembered: {:.1} % where all keys are used alike, {:.1} % where the n-th is used 1/n as often;\n  \
         {:.1} % where all are used alike and each key's calls go to one replica",
        100.0 * needs.hits[0],
        100.0 * needs.hits[1],
        100.0 * needs.hits[2]
    );
    println!("\nPostgreSQL, which does {postgres:.0} statements/s");
    println!(
        "  cold start of one replica: {:.0} queries/s, of all at once {:.0}",
        needs.cold[0], needs.cold[1]
    );
    for seconds in [60.0, 600.0, 3_600.0] {
        let share = 100.0 * model::unseen(given, seconds);
        println!(
            "    after {seconds:>4} s, {share:.1} % of Checks ask for a key not seen before (all used alike)"
        );
    }
    println!(
        "  following the feed: {:.0} statements/s quiet, {:.0} with the writes",
        needs.feed[0], needs.feed[1]
    );
    println!(
        "  replicas that it can tell of these writes: {:.0}",
        given.get("replicas") * postgres / needs.feed[1]
    );
    println!("\nRedis, of which one node does {:.0} scripts/s", given.get("redis"));
    for (what, questions) in [
        ("leased, a key's calls on all replicas", needs.redis[0]),
        ("leased, a key's calls on one replica", needs.redis[1]),
        ("exact", needs.redis[2]),
    ] {
        println!("  {what:<38} {questions:>9.0} questions/s, {:.1} nodes", questions / given.get("redis"));
    }
    println!("\nRevokeKey, simulated (measured with three replicas: {:.0} ms)", given.get("revoke_ms"));
    for (what, fault) in
        [("quiet", Fault::None), ("wake-ups cut", Fault::WakeUps), ("one replica cut off", Fault::CutOff)]
    {
        let [half, most, all] = spread::simulate(given, fault, 2_000);
        println!("  {what:<20} p50 {half:>7.1} ms, p99 {most:>7.1} ms, max {all:>7.1} ms");
    }
}
