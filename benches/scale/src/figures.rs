//! The model's input figures, each with its source. A newly measured figure is changed here, or given on the
//! command line.

/// A figure of the model.
pub(crate) struct Figure {
    /// Name of the figure on the command line.
    pub(crate) name: &'static str,
    pub(crate) value: f64,
    pub(crate) unit: &'static str,
    /// Source of the figure: a measurement, a setting's default, or an assumption.
    pub(crate) source: &'static str,
}

const fn figure(name: &'static str, value: f64, unit: &'static str, source: &'static str) -> Figure {
    Figure { name, value, unit, source }
}

const MEASURED: &str =
    "measured on 2026-11-26, `scripts/bench`: a whole Check, Envoy's message with all headers, two cores";
const MEMORY: &str =
    "measured on 2026-11-26, `cargo run --profile quick -p latchkey-bench-gate --bin memory -- 1000000`";
const METER: &str =
    "measured with a debug build and three replicas, under calls as fast as they answer: RevokeKey's median";

/// All figures with their defaults.
pub(crate) const FIGURES: [Figure; 19] = [
    figure("checks", 1_000_000.0, "Checks/s", "asked"),
    figure("replicas", 100.0, "", "asked"),
    figure("keys", 10_000_000.0, "", "asked"),
    figure("writes", 20.0, "writes/s", "input: keys created, changed, revoked, tokens ended"),
    figure("cores", 2.0, "", "assumed: of a replica"),
    figure("busy", 0.6, "", "assumed: the share of a core that is used at most, for tails"),
    figure("check_us", 9.3, "us", MEASURED),
    figure("key_bytes", 283.0, "bytes", MEMORY),
    figure("memory_keys", 1_000_000.0, "", "assumed: `cache_max_bytes` of 270 MiB"),
    figure("poll_ms", 250.0, "ms", "the setting's default"),
    figure("lease_ms", 60_000.0, "ms", "the setting's default"),
    figure(
        "statements",
        3.0,
        "",
        "counted in the code: of a poll that finds something (replicas and head, page, report)",
    ),
    figure(
        "postgres",
        20_000.0,
        "statements/s",
        "assumed: one PostgreSQL on 8 cores, statements by a unique key",
    ),
    figure("commit_ms", 4.0, "ms", "assumed: a write's transaction with its flush"),
    figure("wake_ms", 1.0, "ms", "assumed: mean latency of a wake-up"),
    figure("revoke_ms", 57.0, "ms", METER),
    figure("active_keys", 20_000.0, "", "assumed: keys in use at any second, each with leased buckets"),
    figure("asks", 5.0, "requests/s", "counted by crates/redis's tests: of a busy leased bucket and replica"),
    figure("redis", 60_000.0, "scripts/s", "assumed: one node of a Redis Cluster"),
];

/// The figures' values.
pub(crate) struct Inputs(Vec<f64>);

impl Inputs {
    /// Returns the defaults, overridden by arguments of the form `name=number`.
    pub(crate) fn read(arguments: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut values: Vec<f64> = FIGURES.iter().map(|figure| figure.value).collect();
        for word in arguments {
            let (name, value) = word.split_once('=').ok_or_else(|| format!("{word:?}: write name=number"))?;
            let place = FIGURES.iter().position(|figure| figure.name == name);
            let place =
                place.ok_or_else(|| format!("{name:?} is not a figure; the figures are: {}", names()))?;
            let value = value.parse().ok().filter(|value: &f64| value.is_finite() && *value > 0.0);
            values[place] = value.ok_or_else(|| format!("{word:?}: write a number above zero"))?;
        }
        Ok(Self(values))
    }

    /// Returns a figure's value; `name` must be in the table.
    pub(crate) fn get(&self, name: &str) -> f64 {
        let place = FIGURES.iter().position(|figure| figure.name == name);
        self.0[place.expect("a figure of the table")]
    }

    /// Returns each figure with its value.
    pub(crate) fn all(&self) -> impl Iterator<Item = (&Figure, f64)> {
        FIGURES.iter().zip(self.0.iter().copied())
    }
}

fn names() -> String {
    FIGURES.map(|figure| figure.name).join(", ")
}
