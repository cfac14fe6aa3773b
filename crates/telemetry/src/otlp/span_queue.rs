//! Queue of finished spans: the SDK's batch span processor and the OTLP exporter, with a count of every span that is not
//! exported. The processor does not say which spans it drops, so this queue counts the spans that wait and drops a span
//! itself before the processor would.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use latchkey_config::OtlpSettings;
use opentelemetry_http::{Bytes, HttpClient, HttpError};
use opentelemetry_otlp::{
    ExporterBuildError, Protocol, RetryPolicy, SpanExporter as OtlpSpanExporter, WithExportConfig as _,
    WithHttpConfig as _,
};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{
    BatchConfigBuilder, BatchSpanProcessor, SpanData, SpanExporter, SpanProcessor as _,
};
use prost::Message as _;

use super::transport::Transport;
use crate::ExportStats;
use crate::export_stats::Signal;

/// Maximum number of spans in one export.
const BATCH: usize = 512;
/// Number of retries of an export.
const RETRIES: usize = 2;
/// Pause before the first retry; the next pause is twice as long. Retries end with the setting's maximum duration.
const RETRY_DELAY: Duration = Duration::from_secs(1);

/// Bounded queue of finished spans, which a thread of the SDK exports in batches.
#[derive(Debug)]
pub(super) struct SpanQueue {
    processor: BatchSpanProcessor,
    /// Number of spans that the processor has and the exporter has not taken yet.
    queued: Arc<AtomicUsize>,
    capacity: usize,
    export_stats: Arc<ExportStats>,
}

impl SpanQueue {
    /// Starts the thread that exports the spans. Every option is given here, so that the library takes none from the
    /// environment.
    pub(super) fn start(
        otlp: &OtlpSettings,
        transport: Transport,
        resource: &Resource,
        export_stats: &Arc<ExportStats>,
    ) -> Result<Self, ExporterBuildError> {
        let (queued, rejected) = (Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default());
        let mut exporter = OtlpSpanExporter::builder()
            .with_http()
            .with_protocol(Protocol::HttpBinary)
            .with_endpoint("http://collector")
            .with_timeout(otlp.timeout)
            .with_retry_policy(
                RetryPolicy::recommended()
                    .with_max_retries(RETRIES)
                    .with_initial_delay(RETRY_DELAY)
                    .with_max_delay(RETRY_DELAY * 2),
            )
            .with_http_client(SpanClient { transport, rejected: rejected.clone() })
            .build()?;
        exporter.set_resource(resource);
        let exporter = CountedExporter {
            exporter,
            queued: queued.clone(),
            rejected,
            export_stats: export_stats.clone(),
        };
        let config = BatchConfigBuilder::default()
            .with_max_queue_size(otlp.queue)
            .with_max_export_batch_size(BATCH)
            .with_scheduled_delay(otlp.delay)
            .build();
        let processor = BatchSpanProcessor::new(exporter, config);
        Ok(Self { processor, queued, capacity: otlp.queue, export_stats: export_stats.clone() })
    }

    /// Queues a span. A span that does not fit is dropped and counted.
    pub(super) fn put(&self, span: SpanData) {
        if self.queued.fetch_add(1, Ordering::AcqRel) < self.capacity {
            self.processor.on_end(span);
        } else {
            self.queued.fetch_sub(1, Ordering::AcqRel);
            self.export_stats.add_dropped_spans(1);
        }
    }

    /// Exports the queued spans and ends the thread. Blocks the caller for at most `limit`.
    pub(super) fn shutdown(&self, limit: Duration) {
        // Spans that a slow collector has not accepted by then are lost.
        let _: OTelSdkResult = self.processor.shutdown_with_timeout(limit);
    }
}

/// HTTP client of the exporter, which stores how many spans the collector rejected.
#[derive(Debug)]
struct SpanClient {
    transport: Transport,
    rejected: Arc<AtomicUsize>,
}

#[async_trait::async_trait]
impl HttpClient for SpanClient {
    async fn send_bytes(&self, request: http::Request<Bytes>) -> Result<http::Response<Bytes>, HttpError> {
        let answer = self.transport.send(request.into_body()).await?;
        let partial = ExportTraceServiceResponse::decode(answer.body().clone()).ok();
        let rejected =
            partial.and_then(|answer| answer.partial_success).map_or(0, |part| part.rejected_spans);
        self.rejected.store(usize::try_from(rejected).unwrap_or(0), Ordering::Release);
        Ok(answer)
    }
}

/// Exporter that counts accepted and dropped spans.
#[derive(Debug)]
struct CountedExporter {
    exporter: OtlpSpanExporter,
    queued: Arc<AtomicUsize>,
    /// Number of spans of the last export that the collector rejected.
    rejected: Arc<AtomicUsize>,
    export_stats: Arc<ExportStats>,
}

impl SpanExporter for CountedExporter {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let count = batch.len();
        self.queued.fetch_sub(count, Ordering::AcqRel);
        let sent = self.exporter.export(batch).await;
        let rejected = self.rejected.swap(0, Ordering::AcqRel);
        let dropped = if sent.is_ok() { rejected.min(count) } else { count };
        self.export_stats.add_sent_spans(count - dropped);
        self.export_stats.add_dropped_spans(dropped);
        self.export_stats.record_export(Signal::Traces, sent.as_ref().err());
        sent
    }
}
