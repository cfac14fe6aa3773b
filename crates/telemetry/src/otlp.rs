//! Traces and metrics by OTLP, to a collector. Whatever the collector does, Checks don't notice: spans go through a
//! bounded queue, and what doesn't fit is dropped and counted; sending is a task of its own.

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

/// What is sent, where to, and how.
#[derive(Clone)]
pub struct OtlpOptions {
    /// Where traces go; none: nowhere.
    pub traces: Option<Uri>,
    /// Where metrics go; none: nowhere.
    pub metrics: Option<Uri>,
    /// Metadata of each call; it may hold a password.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// Only certificates that a collector is trusted by, PEM; none: those of the system.
    pub ca: Option<Vec<u8>>,
    /// How long a collector may take.
    pub timeout: Duration,
    /// Attributes of this process.
    pub resource: Vec<(String, String)>,
    /// Which Checks become spans.
    pub sampler: SamplerOptions,
    /// Between two exports of metrics.
    pub interval: Duration,
    /// How many spans wait to be sent; more are dropped and counted.
    pub queue: usize,
    /// How long a span waits for others to be sent with.
    pub delay: Duration,
}

/// Without the headers.
impl fmt::Debug for OtlpOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OtlpOptions")
            .field("traces", &self.traces)
            .field("metrics", &self.metrics)
            .finish_non_exhaustive()
    }
}

/// Which Checks become spans.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SamplerOptions {
    /// Whether the decision of a caller that has sent one is followed.
    pub parent: bool,
    /// SampleRate of all others, from 0 to 1.
    pub ratio: f64,
}

/// Clocks that times are taken from.
#[derive(Clone)]
pub struct Clocks {
    /// For how long a Check took.
    pub clock: Arc<dyn Clock>,
    /// Nanoseconds since 1970, for when it was.
    pub unix_nanos: fn() -> u64,
}
