//! Export of traces and metrics to a collector by OTLP. The collector cannot slow down a Check: spans go through a
//! bounded queue, spans that do not fit are dropped and counted, and a separate task sends them.

mod attributes;
mod exporter;
mod metrics;
mod sampler;
mod spans;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderName, HeaderValue, Uri};
use latchkey_core::time::Clock;

pub use exporter::OtlpExporter;
pub use spans::SpanRecorder;

/// Options of the export.
#[derive(Clone)]
pub struct OtlpOptions {
    /// Collector of traces; `None` if they are not exported.
    pub traces: Option<Uri>,
    /// Collector of metrics; `None` if they are not exported.
    pub metrics: Option<Uri>,
    /// Metadata of each call; may hold a password.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// CA certificates in PEM that collectors are verified with; `None` for the system's.
    pub ca: Option<Vec<u8>>,
    /// Maximum duration of an export.
    pub timeout: Duration,
    /// Resource attributes of this process.
    pub resource: Vec<(String, String)>,
    /// Sampling of Checks as spans.
    pub sampler: SamplerOptions,
    /// Interval between two exports of metrics.
    pub interval: Duration,
    /// Maximum number of queued spans; further ones are dropped and counted.
    pub queue: usize,
    /// Maximum time that a span waits for its batch to fill.
    pub delay: Duration,
}

/// Leaves out the headers, which may hold a password.
impl fmt::Debug for OtlpOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OtlpOptions")
            .field("traces", &self.traces)
            .field("metrics", &self.metrics)
            .finish_non_exhaustive()
    }
}

/// Sampling of Checks as spans.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SamplerOptions {
    /// Follows the caller's sampling decision, if it sent one.
    pub parent: bool,
    /// Ratio of all other Checks that are sampled, from 0 to 1.
    pub ratio: f64,
}

/// Clocks for spans.
#[derive(Clone)]
pub struct Clocks {
    /// Measures durations.
    pub clock: Arc<dyn Clock>,
    /// Returns the present time in nanoseconds since 1970.
    pub unix_nanos: fn() -> u64,
}
