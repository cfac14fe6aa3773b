//! Sends spans as they come, and metrics now and then. A collector that is away or hangs costs its own task time and
//! nobody else: the queue fills, and what comes then is dropped and counted.

use std::sync::Arc;
use std::time::Duration;

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
use super::{Clocks, OtlpOptions, attributes, metrics};
use crate::export_stats::{ExportStats, Signal};
use crate::metric::MetricSnapshot;

/// Spans that are sent together.
const BATCH: usize = 512;
/// How often the same is sent again, and the first pause; each next one is twice as long.
const RETRIES: (u32, Duration) = (2, Duration::from_secs(1));
/// How long the process's end waits for a collector.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(2);

/// Sends.
pub struct OtlpExporter {
    otlp: OtlpOptions,
    /// The headers that the settings give.
    headers: MetadataMap,
    clocks: Clocks,
    resource: Resource,
    began: u64,
    export_stats: Arc<ExportStats>,
    traces: Option<(TraceServiceClient<Channel>, Mutex<SpanQueue>)>,
    metrics: Option<MetricsServiceClient<Channel>>,
}

/// Spans that wait, and those that were taken to be sent together.
struct SpanQueue {
    queue: Receiver<Span>,
    batch: Vec<Span>,
}

impl OtlpExporter {
    /// For these settings, with where spans are put, if they are sent. Nothing is connected yet. The instance is this
    /// process's own name, the seed for the numbers of its spans.
    pub fn new(
        otlp: &OtlpOptions,
        (instance, seed): (&str, u64),
        export_stats: &Arc<ExportStats>,
        clocks: Clocks,
    ) -> Result<(Self, Option<SpanRecorder>), tonic::transport::Error> {
        let (put, taken) = channel(otlp.queue);
        let connect = |uri: &http::Uri| endpoint(otlp, uri).map(|endpoint| endpoint.connect_lazy());
        let traces = otlp.traces.as_ref().map(connect).transpose()?;
        let spans = traces
            .is_some()
            .then(|| SpanRecorder::new((otlp.sampler, seed), clocks.clone(), put, export_stats.clone()));
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

    /// Sends until it is dropped.
    pub async fn run(&self, snapshot: impl Fn() -> MetricSnapshot) {
        tokio::join!(self.export_spans(), self.export_metrics(snapshot));
    }

    /// Sends what is left, where that can be done soon.
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
        // A collector that is slow now gets no more.
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
        // Not again: the next ones say more.
        let call = self.call(ExportMetricsServiceRequest { resource_metrics });
        let sent = client.clone().export(call).await;
        self.record_export(Signal::Metrics, sent.err());
    }

    fn call<T>(&self, message: T) -> Request<T> {
        Request::from_parts(self.headers.clone(), Extensions::default(), message)
    }

    /// Sends, and again after a pause where that may help.
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

    /// The log hears of it at debug alone: a collector that is away is nobody's emergency, and the count tells.
    fn record_export(&self, signal: Signal, failed: Option<Status>) {
        self.export_stats.add_export(signal, failed.is_none());
        if let Some(status) = failed {
            tracing::debug!(?signal, code = ?status.code(), "a collector did not take what was sent");
        }
    }
}

/// What the protocol calls worth another try.
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

fn endpoint(otlp: &OtlpOptions, uri: &http::Uri) -> Result<Endpoint, tonic::transport::Error> {
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
