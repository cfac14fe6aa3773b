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

use super::spans::Spans;
use super::{Clocks, Otlp, metrics, words};
use crate::exported::{Exported, Signal};
use crate::metric::Sheet;

/// Spans that are sent together.
const BATCH: usize = 512;
/// How often the same is sent again, and the first pause; each next one is twice as long.
const AGAIN: (u32, Duration) = (2, Duration::from_secs(1));
/// How long the process's end waits for a collector.
const FAREWELL: Duration = Duration::from_secs(2);

/// Sends.
pub struct Shipper {
    otlp: Otlp,
    /// The headers that the settings give.
    headers: MetadataMap,
    clocks: Clocks,
    resource: Resource,
    began: u64,
    exported: Arc<Exported>,
    traces: Option<(TraceServiceClient<Channel>, Mutex<Waiting>)>,
    metrics: Option<MetricsServiceClient<Channel>>,
}

/// Spans that wait, and those that were taken to be sent together.
struct Waiting {
    queue: Receiver<Span>,
    batch: Vec<Span>,
}

impl Shipper {
    /// For these settings, with where spans are put, if they are sent. Nothing is connected yet. The instance is this
    /// process's own name, the seed for the numbers of its spans.
    pub fn new(
        otlp: &Otlp,
        (instance, seed): (&str, u64),
        exported: &Arc<Exported>,
        clocks: Clocks,
    ) -> Result<(Self, Option<Spans>), tonic::transport::Error> {
        let (put, taken) = channel(otlp.queue);
        let connect = |uri: &http::Uri| endpoint(otlp, uri).map(|endpoint| endpoint.connect_lazy());
        let traces = otlp.traces.as_ref().map(connect).transpose()?;
        let spans =
            traces.is_some().then(|| Spans::new((otlp.sampler, seed), clocks.clone(), put, exported.clone()));
        let shipper = Self {
            resource: words::resource(&otlp.resource, instance),
            began: (clocks.nanos_now)(),
            exported: exported.clone(),
            traces: traces.map(|channel| {
                let waiting = Waiting { queue: taken, batch: Vec::new() };
                (TraceServiceClient::new(channel), Mutex::new(waiting))
            }),
            metrics: otlp.metrics.as_ref().map(connect).transpose()?.map(MetricsServiceClient::new),
            headers: MetadataMap::from_headers(otlp.headers.iter().cloned().collect()),
            otlp: otlp.clone(),
            clocks,
        };
        Ok((shipper, spans))
    }

    /// Sends until it is dropped.
    pub async fn run(&self, sheet: impl Fn() -> Sheet) {
        tokio::join!(self.ship_spans(), self.ship_metrics(sheet));
    }

    /// Sends what is left, where that can be done soon.
    pub async fn end(&self, sheet: impl Fn() -> Sheet) {
        let rest = async {
            if let Some((client, waiting)) = &self.traces {
                let Waiting { queue, batch } = &mut *waiting.lock().await;
                while batch.len() < self.otlp.queue
                    && let Ok(span) = queue.try_recv()
                {
                    batch.push(span);
                }
                if !batch.is_empty() {
                    self.send_spans(client, batch).await;
                }
            }
            self.send_metrics(&sheet()).await;
        };
        // A collector that is slow now gets no more.
        let _ = timeout(FAREWELL, rest).await;
    }

    async fn ship_spans(&self) {
        let Some((client, waiting)) = &self.traces else { return std::future::pending().await };
        let Waiting { queue, batch } = &mut *waiting.lock().await;
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

    async fn ship_metrics(&self, sheet: impl Fn() -> Sheet) {
        if self.metrics.is_none() {
            return std::future::pending().await;
        }
        loop {
            sleep(self.otlp.interval).await;
            self.send_metrics(&sheet()).await;
        }
    }

    async fn send_spans(&self, client: &TraceServiceClient<Channel>, spans: &[Span]) {
        let (count, spans) = (spans.len(), spans.to_vec());
        let scope_spans = vec![ScopeSpans { scope: Some(words::scope()), spans, ..ScopeSpans::default() }];
        let resource_spans = vec![ResourceSpans {
            resource: Some(self.resource.clone()),
            scope_spans,
            ..ResourceSpans::default()
        }];
        let message = ExportTraceServiceRequest { resource_spans };
        let sent = self.tried(|| {
            let (mut client, call) = (client.clone(), self.call(message.clone()));
            async move { client.export(call).await.map(tonic::Response::into_inner) }
        });
        let sent = sent.await;
        let refused = match &sent {
            Ok(answer) => answer.partial_success.as_ref().map_or(0, |partial| partial.rejected_spans),
            Err(_) => i64::MAX,
        };
        let refused = usize::try_from(refused).unwrap_or(count).min(count);
        self.exported.sent(count - refused);
        self.exported.dropped(refused);
        self.note(Signal::Traces, sent.err());
    }

    async fn send_metrics(&self, sheet: &Sheet) {
        let Some(client) = &self.metrics else { return };
        let metrics = metrics::of(sheet, metrics::Span { start: self.began, end: (self.clocks.nanos_now)() });
        let scope_metrics =
            vec![ScopeMetrics { scope: Some(words::scope()), metrics, ..ScopeMetrics::default() }];
        let resource = Some(self.resource.clone());
        let resource_metrics =
            vec![ResourceMetrics { resource, scope_metrics, ..ResourceMetrics::default() }];
        // Not again: the next ones say more.
        let call = self.call(ExportMetricsServiceRequest { resource_metrics });
        let sent = client.clone().export(call).await;
        self.note(Signal::Metrics, sent.err());
    }

    fn call<T>(&self, message: T) -> Request<T> {
        Request::from_parts(self.headers.clone(), Extensions::default(), message)
    }

    /// Sends, and again after a pause where that may help.
    async fn tried<T, F: Future<Output = Result<T, Status>>>(
        &self,
        send: impl Fn() -> F,
    ) -> Result<T, Status> {
        let (most, mut pause) = AGAIN;
        for _ in 0..most {
            match send().await {
                Err(status) if passes(status.code()) => {}
                done => return done,
            }
            sleep(pause).await;
            pause *= 2;
        }
        send().await
    }

    /// The log hears of it at debug alone: a collector that is away is nobody's emergency, and the count tells.
    fn note(&self, signal: Signal, failed: Option<Status>) {
        self.exported.export(signal, failed.is_none());
        if let Some(status) = failed {
            tracing::debug!(?signal, code = ?status.code(), "a collector did not take what was sent");
        }
    }
}

/// What the protocol calls worth another try.
fn passes(code: Code) -> bool {
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

fn endpoint(otlp: &Otlp, uri: &http::Uri) -> Result<Endpoint, tonic::transport::Error> {
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
