//! Measures a decision with growing numbers of keys, tenants, routes, scopes and profiles. Prints a Markdown
//! table; constant times are good. `growth quick` leaves out ten million keys. `growth one DIMENSION SIZE
//! TIMES` only makes the given number of decisions, for counting instructions.

use std::hint::black_box;
use std::time::Instant;

use latchkey_bench_gate::{GateFixture, Workload, poll_ready};
use latchkey_core::check_input::{CheckInput, Path, PresentedCredential};
use latchkey_profile::{Header, Request};

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Growing dimensions and their sizes.
const DIMENSIONS: [(&str, &[usize]); 5] = [
    ("keys", &[1_000, 10_000, 100_000, 1_000_000, 10_000_000]),
    ("tenants", &[1, 100, 10_000, 100_000]),
    ("routes", &[10, 100, 1_000, 10_000]),
    ("scopes", &[10, 100, 1_000]),
    ("profiles", &[1, 10, 100]),
];

fn workload(dimension: &str, size: usize) -> Workload {
    let base = Workload { keys: 10_000, routes: 10, scopes: 10, ..Workload::default() };
    match dimension {
        "keys" => Workload { keys: size, ..base },
        "tenants" => Workload { tenants: size, keys: 100_000, ..base },
        "routes" => Workload { routes: size, ..base },
        "scopes" => Workload { scopes: size, ..base },
        _ => Workload { profiles: size, ..base },
    }
}

#[expect(clippy::print_stdout, reason = "the program prints its result")]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    if let ["one", dimension, size, times] = arguments.as_slice() {
        let scenario = Scenario::new(&workload(dimension, size.parse()?));
        (0..times.parse()?).for_each(|turn| scenario.decide(turn * 7_919));
        return Ok(());
    }
    let most = if arguments.contains(&"quick") { 1_000_000 } else { usize::MAX };
    println!(
        "| dimension | size | one key, ns | any key, ns | choosing the profile, ns |\n|---|---|---|---|---|"
    );
    for (dimension, sizes) in DIMENSIONS {
        for size in sizes.iter().copied().filter(|size| *size <= most) {
            let scenario = Scenario::new(&workload(dimension, size));
            let one = median(|_| scenario.decide(7));
            let any = median(|turn| scenario.decide(turn.wrapping_mul(611_953)));
            let choosing = median(|_| scenario.choose());
            println!("| {dimension} | {size} | {one:.0} | {any:.0} | {choosing:.0} |");
        }
    }
    Ok(())
}

/// A gate of one size, with requests for it.
struct Scenario {
    fixture: GateFixture,
    keys: usize,
    values: Vec<String>,
    path: String,
}

impl Scenario {
    fn new(workload: &Workload) -> Self {
        let (fixture, keys, path) = (GateFixture::new(workload), workload.keys, workload.path());
        // Computing a key's value costs more than a decision.
        let values =
            (0..keys.min(1_000_000)).map(|n| fixture.key_value(n * (keys / keys.min(1_000_000)))).collect();
        Self { fixture, keys, values, path }
    }

    /// Makes one decision by the profile of the credential.
    fn decide(&self, turn: usize) {
        let value = &self.values[turn % self.values.len()];
        let access = CheckInput {
            credential: PresentedCredential::of(black_box(value)),
            method: "GET",
            path: Path::Canonical(self.path.as_str().into()),
            ..CheckInput::default()
        };
        let verdict = poll_ready(self.fixture.gate.check(None, &access));
        assert!(black_box(verdict).is_ok_and(|verdict| verdict.denial().is_none()), "of {}", self.keys);
    }

    /// Selects the profile of a request.
    fn choose(&self) {
        let mut request =
            Request { method: "GET", path: &self.path, host: "api.example.dev".into(), ..Request::default() };
        request.headers.push(Header { name: b"x-api-key", value: self.values[7].as_bytes() });
        assert!(black_box(self.fixture.catalog.choose(black_box(&request))).is_some());
    }
}

/// Returns nanoseconds of a call: the median of many rounds, each long enough to be measured.
#[expect(clippy::disallowed_methods, reason = "the benchmark reads the clock")]
#[expect(clippy::cast_precision_loss, reason = "a figure for people")]
fn median(turn: impl Fn(usize)) -> f64 {
    const ROUNDS: usize = 101;
    const TURNS: usize = 2_000;
    let mut rounds: Vec<f64> = (0..ROUNDS)
        .map(|round| {
            let begun = Instant::now();
            (0..TURNS).for_each(|n| turn(round * TURNS + n));
            begun.elapsed().as_nanos() as f64 / TURNS as f64
        })
        .collect();
    rounds.sort_by(f64::total_cmp);
    rounds[ROUNDS / 2]
}
