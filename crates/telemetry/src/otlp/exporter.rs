//! Export of spans in batches and of metrics at an interval. A collector that is down or hangs delays the export task
//! only: the queue fills up, and further spans are dropped and counted.

use std::sync::Arc;
use std::time::Duration;

use latchkey_config::OtlpSettings;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::metrics_service_client::MetricsServiceClient;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_client::TraceServiceClient;
use opentelemetry_proto::tonic::metrics::v1::{ResourceMetrics, ScopeMetrics};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use tokio::sync::Mutex;
use tokio::sync::mpsc::{Receiver, channel};
use tokio::time::{Instant, sleep, timeout, timeout_at};
use tonic::metadata::MetadataMap;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint};
use tonic::{Code, Extensions, Request, Status};

use super::spans::SpanRecorder;
use super::{Clocks, attributes, metrics};
use crate::export_stats::{ExportStats, Signal};
use crate::metric::MetricSnapshot;

/// Maximum number of spans in one export.
const BATCH: usize = 512;
/// Number of retries of an export, and the first pause; each next pause is twice as long.
const RETRIES: (u32, Duration) = (2, Duration::from_secs(1));
/// Maximum time that the process's shutdown waits for a collector.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(2);

/// Exporter of traces and metrics by OTLP over gRPC.
pub struct OtlpExporter {
    otlp: OtlpSettings,
    /// Headers from the settings.
    headers: MetadataMap,
    clocks: Clocks,
    resource: Resource,
    began: u64,
    export_stats: Arc<ExportStats>,
    traces: Option<(TraceServiceClient<Channel>, Mutex<SpanQueue>)>,
    metrics: Option<MetricsServiceClient<Channel>>,
}

/// Queued spans, and the batch that is being sent.
struct SpanQueue {
    queue: Receiver<Span>,
    batch: Vec<Span>,
}

impl OtlpExporter {
    /// Creates an exporter, and the recorder of spans if traces are exported. Nothing is connected yet. `instance` is
    /// this process's `service.instance.id`; `seed` seeds the span numbers.
    pub fn new(
        otlp: &OtlpSettings,
        instance: &str,
        seed: u64,
        export_stats: &Arc<ExportStats>,
        clocks: Clocks,
    ) -> Result<(Self, Option<SpanRecorder>), tonic::transport::Error> {
        let (put, taken) = channel(otlp.queue);
        let connect = |uri: &http::Uri| endpoint(otlp, uri).map(|endpoint| endpoint.connect_lazy());
        let traces = otlp.traces.as_ref().map(connect).transpose()?;
        let spans = traces
            .is_some()
            .then(|| SpanRecorder::new(otlp.sampler, seed, clocks.clone(), put, export_stats.clone()));
        let exporter = Self {
            resource: attributes::resource(&otlp.resource, instance),
            began: (clocks.unix_nanos)(),
            export_stats: export_stats.clone(),
            traces: traces.map(|channel| {
                let span_queue = SpanQueue { queue: taken, batch: Vec::new() };
                (TraceServiceClient::new(channel), Mutex::new(span_queue))
            }),
            metrics: otlp.metrics.as_ref().map(connect).transpose()?.map(MetricsServiceClient::new),
            headers: MetadataMap::from_headers(otlp.headers.iter().cloned().collect()),
            otlp: otlp.clone(),
            clocks,
        };
        Ok((exporter, spans))
    }

    /// Exports until the future is dropped.
    pub async fn run(&self, snapshot: impl Fn() -> MetricSnapshot) {
        tokio::join!(self.export_spans(), self.export_metrics(snapshot));
    }

    /// Exports the remaining spans and the last metrics, within two seconds.
    pub async fn shutdown(&self, snapshot: impl Fn() -> MetricSnapshot) {
        let rest = async {
            if let Some((client, span_queue)) = &self.traces {
                let SpanQueue { queue, batch } = &mut *span_queue.lock().await;
                while batch.len() < self.otlp.queue
                    && let Ok(span) = queue.try_recv()
                {
                    batch.push(span);
                }
                if !batch.is_empty() {
                    self.send_spans(client, batch).await;
                }
            }
            self.send_metrics(&snapshot()).await;
        };
        // Telemetry that a slow collector has not accepted by then is lost.
        let _ = timeout(SHUTDOWN_TIMEOUT, rest).await;
    }

    async fn export_spans(&self) {
        let Some((client, span_queue)) = &self.traces else { return std::future::pending().await };
        let SpanQueue { queue, batch } = &mut *span_queue.lock().await;
        while let Some(first) = queue.recv().await {
            batch.push(first);
            let until = Instant::now() + self.otlp.delay;
            while batch.len() < BATCH
                && let Ok(Some(next)) = timeout_at(until, queue.recv()).await
            {
                batch.push(next);
            }
            self.send_spans(client, batch).await;
            batch.clear();
        }
    }

    async fn export_metrics(&self, snapshot: impl Fn() -> MetricSnapshot) {
        if self.metrics.is_none() {
            return std::future::pending().await;
        }
        loop {
            sleep(self.otlp.interval).await;
            self.send_metrics(&snapshot()).await;
        }
    }

    async fn send_spans(&self, client: &TraceServiceClient<Channel>, spans: &[Span]) {
        let (count, spans) = (spans.len(), spans.to_vec());
        let scope_spans =
            vec![ScopeSpans { scope: Some(attributes::scope()), spans, ..ScopeSpans::default() }];
        let resource_spans = vec![ResourceSpans {
            resource: Some(self.resource.clone()),
            scope_spans,
            ..ResourceSpans::default()
        }];
        let message = ExportTraceServiceRequest { resource_spans };
        let sent = self.send_with_retry(|| {
            let (mut client, call) = (client.clone(), self.call(message.clone()));
            async move { client.export(call).await.map(tonic::Response::into_inner) }
        });
        let sent = sent.await;
        let rejected = match &sent {
            Ok(answer) => answer.partial_success.as_ref().map_or(0, |partial| partial.rejected_spans),
            Err(_) => i64::MAX,
        };
        let rejected = usize::try_from(rejected).unwrap_or(count).min(count);
        self.export_stats.add_sent_spans(count - rejected);
        self.export_stats.add_dropped_spans(rejected);
        self.record_export(Signal::Traces, sent.err());
    }

    async fn send_metrics(&self, snapshot: &MetricSnapshot) {
        let Some(client) = &self.metrics else { return };
        let metrics = metrics::to_otlp(
            snapshot,
            metrics::TimeRange { start: self.began, end: (self.clocks.unix_nanos)() },
        );
        let scope_metrics =
            vec![ScopeMetrics { scope: Some(attributes::scope()), metrics, ..ScopeMetrics::default() }];
        let resource = Some(self.resource.clone());
        let resource_metrics =
            vec![ResourceMetrics { resource, scope_metrics, ..ResourceMetrics::default() }];
        // No retry: the next export holds newer values.
        let call = self.call(ExportMetricsServiceRequest { resource_metrics });
        let sent = client.clone().export(call).await;
        self.record_export(Signal::Metrics, sent.err());
    }

    fn call<T>(&self, message: T) -> Request<T> {
        Request::from_parts(self.headers.clone(), Extensions::default(), message)
    }

    /// Sends a request, and retries after a pause if the status is retryable.
    async fn send_with_retry<T, F: Future<Output = Result<T, Status>>>(
        &self,
        send: impl Fn() -> F,
    ) -> Result<T, Status> {
        let (most, mut pause) = RETRIES;
        for _ in 0..most {
            match send().await {
                Err(status) if is_retryable(status.code()) => {}
                done => return done,
            }
            sleep(pause).await;
            pause *= 2;
        }
        send().await
    }

    /// Counts an export. Failures are logged at debug only: a missing collector is no emergency, and a metric counts them.
    fn record_export(&self, signal: Signal, failed: Option<Status>) {
        self.export_stats.add_export(signal, failed.is_none());
        if let Some(status) = failed {
            tracing::debug!(?signal, code = ?status.code(), "an OTLP export failed; the data is dropped and counted");
        }
    }
}

/// Returns whether the OTLP specification calls a status retryable.
fn is_retryable(code: Code) -> bool {
    match code {
        Code::Cancelled
        | Code::DeadlineExceeded
        | Code::Aborted
        | Code::OutOfRange
        | Code::Unavailable
        | Code::DataLoss => true,
        Code::Ok
        | Code::Unknown
        | Code::InvalidArgument
        | Code::NotFound
        | Code::AlreadyExists
        | Code::PermissionDenied
        | Code::ResourceExhausted
        | Code::FailedPrecondition
        | Code::Unimplemented
        | Code::Internal
        | Code::Unauthenticated => false,
    }
}

fn endpoint(otlp: &OtlpSettings, uri: &http::Uri) -> Result<Endpoint, tonic::transport::Error> {
    let endpoint = Endpoint::from(uri.clone()).connect_timeout(otlp.timeout).timeout(otlp.timeout);
    if uri.scheme_str() != Some("https") {
        return Ok(endpoint);
    }
    let tls = ClientTlsConfig::new();
    let tls = match &otlp.ca {
        Some(ca) => tls.ca_certificate(Certificate::from_pem(ca)),
        None => tls.with_native_roots(),
    };
    endpoint.tls_config(tls)
}
