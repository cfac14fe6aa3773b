//! A collector that receives OTLP exports and keeps them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use latchkey_testing::{Pair, Setup, eventually, free_port};
use opentelemetry_proto::tonic::collector::metrics::v1::metrics_service_server::{
    MetricsService, MetricsServiceServer,
};
use opentelemetry_proto::tonic::collector::metrics::v1::{
    ExportMetricsServiceRequest, ExportMetricsServiceResponse,
};
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTracePartialSuccess, ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::metrics::v1::Metric;
use opentelemetry_proto::tonic::trace::v1::Span;
use tokio::task::JoinSet;
use tonic::transport::{Identity, Server, ServerTlsConfig};
use tonic::{Request, Response, Status};

use crate::http_collector::{self, HttpOptions};

/// Received exports.
#[derive(Default)]
pub(crate) struct ReceivedExports {
    /// Spans, each with the name of the service that sent it.
    pub(crate) spans: Vec<(String, Span)>,
    /// Newest metric of each name.
    pub(crate) metrics: BTreeMap<String, Metric>,
    /// Number of metric exports.
    pub(crate) rounds: usize,
    /// The services' attributes and the header `api-key`.
    pub(crate) resources: Vec<BTreeMap<String, String>>,
    pub(crate) keys: Vec<String>,
    /// Paths and content types of requests by HTTP.
    pub(crate) requests: Vec<(String, String)>,
}

/// Service that receives exports and keeps them.
#[derive(Clone, Default)]
pub(crate) struct CollectorService {
    received: Arc<Mutex<ReceivedExports>>,
    /// Number of rejected spans that it reports for each export.
    rejected: i64,
}

/// A running collector.
pub(crate) struct Collector {
    pub(crate) port: u16,
    kept: CollectorService,
    _server: JoinSet<()>,
}

impl Collector {
    pub(crate) async fn start() -> Self {
        Self::serving(Server::builder()).await
    }

    /// Starts a collector with TLS alone.
    pub(crate) async fn tls(pair: &Pair) -> Self {
        let identity = Identity::from_pem(&pair.cert, &pair.key);
        let server = Server::builder().tls_config(ServerTlsConfig::new().identity(identity));
        Self::serving(server.expect("a usable certificate")).await
    }

    async fn serving(builder: Server) -> Self {
        Self::rejecting(builder, 0).await
    }

    /// Starts a collector that reports a number of rejected spans for each export.
    pub(crate) async fn rejecting(mut builder: Server, rejected: i64) -> Self {
        let kept = CollectorService { rejected, ..CollectorService::default() };
        let (port, mut server) = (free_port(), JoinSet::new());
        let (traces, metrics) =
            (TraceServiceServer::new(kept.clone()), MetricsServiceServer::new(kept.clone()));
        let services = builder.add_service(traces).add_service(metrics);
        let address = format!("127.0.0.1:{port}").parse().expect("an address");
        server.spawn(async move { services.serve(address).await.expect("it serves") });
        tokio::task::yield_now().await;
        Self { port, kept, _server: server }
    }

    /// Starts a collector that takes exports over HTTP.
    pub(crate) fn http(options: &HttpOptions) -> Self {
        let kept = CollectorService { rejected: options.rejected, ..CollectorService::default() };
        Self { port: http_collector::start(options, &kept), kept, _server: JoinSet::new() }
    }

    /// Configures a server to export to this collector at short intervals, with a span for every Check.
    pub(crate) fn of(&self, setup: Setup) -> Setup {
        sending(setup, self.port)
    }

    pub(crate) fn look<T>(&self, at: impl FnOnce(&ReceivedExports) -> T) -> T {
        at(&self.kept.received.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Waits for this number of spans of Latchkey.
    pub(crate) fn spans(&self, count: usize) -> Vec<Span> {
        eventually("spans arrive", || {
            let ours = |taken: &ReceivedExports| {
                let ours = taken.spans.iter().filter(|(service, _)| service == "latchkey");
                ours.map(|(_, span)| span.clone()).collect::<Vec<_>>()
            };
            Some(self.look(ours)).filter(|spans| spans.len() >= count)
        })
    }
}

/// Configures a server to export to this port at short intervals, with a span for every Check.
pub(crate) fn sending(setup: Setup, port: u16) -> Setup {
    setup
        .environment("OTEL_EXPORTER_OTLP_ENDPOINT", &format!("http://127.0.0.1:{port}"))
        .environment("OTEL_TRACES_SAMPLER", "parentbased_always_on")
        .environment("OTEL_BSP_SCHEDULE_DELAY", "20")
        .environment("OTEL_METRIC_EXPORT_INTERVAL", "200")
        .environment("OTEL_EXPORTER_OTLP_TIMEOUT", "30000")
}

/// Returns attributes as text.
pub(crate) fn attributes_of(attributes: &[KeyValue]) -> BTreeMap<String, String> {
    let text = |value: &Option<AnyValue>| match value.as_ref().and_then(|value| value.value.as_ref()) {
        Some(Value::StringValue(text)) => text.clone(),
        other => format!("{other:?}"),
    };
    attributes.iter().map(|pair| (pair.key.clone(), text(&pair.value))).collect()
}

impl CollectorService {
    pub(crate) fn keep(&self, key: Option<&str>, keep: impl FnOnce(&mut ReceivedExports)) {
        let mut taken = self.received.lock().unwrap_or_else(PoisonError::into_inner);
        taken.keys.extend(key.map(str::to_owned));
        keep(&mut taken);
    }

    /// Keeps spans, and returns the response.
    pub(crate) fn spans(
        &self,
        key: Option<&str>,
        message: &ExportTraceServiceRequest,
    ) -> ExportTraceServiceResponse {
        self.keep(key, |taken| {
            for sent in &message.resource_spans {
                let resource = attributes_of(&sent.resource.as_ref().expect("a resource").attributes);
                let service = resource["service.name"].clone();
                taken.resources.push(resource);
                let spans = sent.scope_spans.iter().flat_map(|scope| &scope.spans);
                taken.spans.extend(spans.map(|span| (service.clone(), span.clone())));
            }
        });
        let rejected_spans = self.rejected;
        let partial_success = (rejected_spans > 0)
            .then(|| ExportTracePartialSuccess { rejected_spans, ..ExportTracePartialSuccess::default() });
        ExportTraceServiceResponse { partial_success }
    }

    /// Keeps metrics, and returns the response.
    pub(crate) fn metrics(
        &self,
        key: Option<&str>,
        message: &ExportMetricsServiceRequest,
    ) -> ExportMetricsServiceResponse {
        self.keep(key, |taken| {
            taken.rounds += 1;
            for sent in &message.resource_metrics {
                taken.resources.push(attributes_of(&sent.resource.as_ref().expect("a resource").attributes));
                let metrics = sent.scope_metrics.iter().flat_map(|scope| &scope.metrics);
                taken.metrics.extend(metrics.map(|metric| (metric.name.clone(), metric.clone())));
            }
        });
        ExportMetricsServiceResponse::default()
    }
}

/// Returns the header `api-key` of a call.
fn key<T>(call: &Request<T>) -> Option<&str> {
    call.metadata().get("api-key").and_then(|key| key.to_str().ok())
}

#[tonic::async_trait]
impl TraceService for CollectorService {
    async fn export(
        &self,
        call: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        Ok(Response::new(self.spans(key(&call), call.get_ref())))
    }
}

#[tonic::async_trait]
impl MetricsService for CollectorService {
    async fn export(
        &self,
        call: Request<ExportMetricsServiceRequest>,
    ) -> Result<Response<ExportMetricsServiceResponse>, Status> {
        Ok(Response::new(self.metrics(key(&call), call.get_ref())))
    }
}
