//! Export of traces and metrics to a collector by OTLP, with OpenTelemetry's own exporter and SDK. The collector cannot
//! slow down a Check: spans go through a bounded queue, spans that do not fit are dropped and counted, and a separate
//! thread sends them.

mod attributes;
mod exporter;
mod metrics;
mod sampler;
mod span_queue;
mod spans;
mod transport;

use std::sync::Arc;

use latchkey_core::time::Clock;

pub use exporter::OtlpExporter;
pub use spans::SpanRecorder;
pub use transport::OtlpError;

/// Clocks for spans.
#[derive(Clone)]
pub struct Clocks {
    /// Measures durations.
    pub clock: Arc<dyn Clock>,
    /// Returns the present time in nanoseconds since 1970.
    pub unix_nanos: fn() -> u64,
}
