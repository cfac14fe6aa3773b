//! Export of spans in batches and of metrics at an interval. A collector that is down or hangs delays the export alone:
//! the queue fills up, and further spans are dropped and counted.
//!
//! Metrics are encoded here and not by the SDK: its metrics come from its own instruments only, while these come from
//! this crate's registry, which `/metrics` shows too.

use std::sync::Arc;
use std::time::Duration;

use latchkey_config::OtlpSettings;
use opentelemetry_http::{HttpError, ResponseExt as _};
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::metrics::v1::{ResourceMetrics, ScopeMetrics};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::transform::common::tonic::ResourceAttributesWithSchema;
use prost::Message as _;
use tokio::runtime::Handle;
use tokio::time::{sleep, timeout};

use super::span_queue::SpanQueue;
use super::spans::SpanRecorder;
use super::transport::{OtlpError, Transport};
use super::{Clocks, attributes, metrics};
use crate::export_stats::{ExportStats, Signal};
use crate::metric::MetricSnapshot;

/// Maximum time that the process's shutdown waits for a collector.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(2);

/// Exporter of traces and metrics by OTLP.
pub struct OtlpExporter {
    traces: Option<Arc<SpanQueue>>,
    metrics: Option<MetricExporter>,
}

/// Exporter of metrics.
struct MetricExporter {
    transport: Transport,
    resource: Resource,
    interval: Duration,
    clocks: Clocks,
    /// Start of the process, in nanoseconds since 1970.
    began: u64,
    export_stats: Arc<ExportStats>,
}

impl OtlpExporter {
    /// Creates an exporter, and the recorder of spans if traces are exported. Nothing is connected yet. `instance` is
    /// this process's `service.instance.id`; `seed` seeds the span numbers. Must be called inside of a tokio runtime.
    pub fn new(
        otlp: &OtlpSettings,
        instance: &str,
        seed: u64,
        export_stats: &Arc<ExportStats>,
        clocks: Clocks,
    ) -> Result<(Self, Option<SpanRecorder>), OtlpError> {
        let resource = attributes::resource(&otlp.resource, instance);
        let transport = |signal, uri: &http::Uri| Transport::new(otlp, signal, uri);
        let traces = otlp.traces.as_ref().map(|uri| transport(Signal::Traces, uri)).transpose()?;
        let traces = traces.map(|transport| SpanQueue::start(otlp, transport, &resource, export_stats));
        let traces = traces.transpose()?.map(Arc::new);
        let metrics = otlp.metrics.as_ref().map(|uri| transport(Signal::Metrics, uri)).transpose()?;
        let spans =
            traces.as_ref().map(|queue| SpanRecorder::new(otlp.sampler, seed, clocks.clone(), queue.clone()));
        let metrics = metrics.map(|transport| MetricExporter {
            transport,
            resource: Resource {
                attributes: ResourceAttributesWithSchema::from(&resource).attributes.0,
                ..Resource::default()
            },
            interval: otlp.interval,
            began: (clocks.unix_nanos)(),
            clocks,
            export_stats: export_stats.clone(),
        });
        Ok((Self { traces, metrics }, spans))
    }

    /// Exports metrics until the future is dropped. A thread of the SDK exports spans.
    pub async fn run(&self, snapshot: impl Fn() -> MetricSnapshot) {
        let Some(metrics) = &self.metrics else { return std::future::pending().await };
        loop {
            sleep(metrics.interval).await;
            metrics.export(&snapshot()).await;
        }
    }

    /// Exports the remaining spans and the last metrics, within two seconds.
    pub async fn shutdown(&self, snapshot: impl Fn() -> MetricSnapshot) {
        let spans = async {
            if let Some(queue) = self.traces.clone() {
                let _ = Handle::current().spawn_blocking(move || queue.shutdown(SHUTDOWN_TIMEOUT)).await;
            }
        };
        let metrics = async {
            if let Some(metrics) = &self.metrics {
                metrics.export(&snapshot()).await;
            }
        };
        // Telemetry that a slow collector has not accepted by then is lost.
        let _ = timeout(SHUTDOWN_TIMEOUT, async { tokio::join!(spans, metrics) }).await;
    }
}

impl MetricExporter {
    /// Exports a snapshot once. There is no retry: the next export has newer values.
    async fn export(&self, snapshot: &MetricSnapshot) {
        let sent = self.send(snapshot).await;
        self.export_stats.record_export(Signal::Metrics, sent.as_ref().err());
    }

    async fn send(&self, snapshot: &MetricSnapshot) -> Result<(), HttpError> {
        let range = metrics::TimeRange { start: self.began, end: (self.clocks.unix_nanos)() };
        let metrics = metrics::to_otlp(snapshot, range);
        let scope = Some((attributes::scope(), None).into());
        let scope_metrics = vec![ScopeMetrics { scope, metrics, ..ScopeMetrics::default() }];
        let resource = Some(self.resource.clone());
        let resource_metrics =
            vec![ResourceMetrics { resource, scope_metrics, ..ResourceMetrics::default() }];
        let message = ExportMetricsServiceRequest { resource_metrics }.encode_to_vec();
        self.transport.send(message.into()).await?.error_for_status().map(drop)
    }
}
