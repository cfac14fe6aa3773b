//! What a decision costs as there is more of everything: keys, tenants, routes, scopes, profiles. Prints a
//! Markdown table; flat is good. `growth quick` leaves out ten million keys. `growth one DIMENSION SIZE TIMES`
//! makes so many decisions and nothing else, for counting instructions.

use std::hint::black_box;
use std::time::Instant;

use latchkey_bench_gate::{Shape, World, now};
use latchkey_core::access::{Access, Path, Presented};
use latchkey_profile::{Header, Request};

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// What grows, and to which sizes.
const DIMENSIONS: [(&str, &[usize]); 5] = [
    ("keys", &[1_000, 10_000, 100_000, 1_000_000, 10_000_000]),
    ("tenants", &[1, 100, 10_000, 100_000]),
    ("routes", &[10, 100, 1_000, 10_000]),
    ("scopes", &[10, 100, 1_000]),
    ("profiles", &[1, 10, 100]),
];

fn shape(dimension: &str, size: usize) -> Shape {
    let usual = Shape { keys: 10_000, routes: 10, scopes: 10, ..Shape::default() };
    match dimension {
        "keys" => Shape { keys: size, ..usual },
        "tenants" => Shape { tenants: size, keys: 100_000, ..usual },
        "routes" => Shape { routes: size, ..usual },
        "scopes" => Shape { scopes: size, ..usual },
        _ => Shape { profiles: size, ..usual },
    }
}

#[expect(clippy::print_stdout, reason = "this is what the program is for")]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    if let ["one", dimension, size, times] = words.as_slice() {
        let scene = Scene::new(&shape(dimension, size.parse()?));
        (0..times.parse()?).for_each(|turn| scene.decide(turn * 7_919));
        return Ok(());
    }
    let most = if words.contains(&"quick") { 1_000_000 } else { usize::MAX };
    println!(
        "| what | how many | one key, ns | any key, ns | choosing the profile, ns |\n|---|---|---|---|---|"
    );
    for (dimension, sizes) in DIMENSIONS {
        for size in sizes.iter().copied().filter(|size| *size <= most) {
            let scene = Scene::new(&shape(dimension, size));
            let one = median(|_| scene.decide(7));
            let any = median(|turn| scene.decide(turn.wrapping_mul(611_953)));
            let choosing = median(|_| scene.choose());
            println!("| {dimension} | {size} | {one:.0} | {any:.0} | {choosing:.0} |");
        }
    }
    Ok(())
}

/// A world, and questions for it.
struct Scene {
    world: World,
    keys: usize,
    values: Vec<String>,
    path: String,
}

impl Scene {
    fn new(shape: &Shape) -> Self {
        let (world, keys, path) = (World::new(shape), shape.keys, shape.path());
        // Making a value up costs more than a decision.
        let values =
            (0..keys.min(1_000_000)).map(|n| world.value(n * (keys / keys.min(1_000_000)))).collect();
        Self { world, keys, values, path }
    }

    /// One whole decision, by no profile but the credential's own.
    fn decide(&self, turn: usize) {
        let value = &self.values[turn % self.values.len()];
        let access = Access {
            credential: Presented::of(black_box(value)),
            method: "GET",
            path: Path::Canonical(self.path.as_str().into()),
            ..Access::default()
        };
        let verdict = now(self.world.gate.check(None, &access));
        assert!(black_box(verdict).is_ok_and(|verdict| verdict.denied().is_none()), "of {}", self.keys);
    }

    /// Which profile a request is judged by.
    fn choose(&self) {
        let mut request =
            Request { method: "GET", path: &self.path, host: "api.example.dev", ..Request::default() };
        request.headers.push(Header { name: b"x-api-key", value: self.values[7].as_bytes() });
        assert!(black_box(self.world.catalog.choose(black_box(&request))).is_some());
    }
}

/// Nanoseconds of a turn: the median of many rounds, each long enough to be timed.
#[expect(clippy::disallowed_methods, reason = "this is what is measured with")]
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
