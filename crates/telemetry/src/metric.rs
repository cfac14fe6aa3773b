//! Definition of a metric, and a snapshot of all metrics at one moment. `/metrics` and OTLP are both written from a
//! snapshot, so they cannot differ.

use std::time::Duration;

/// Metric's names, kind, unit, labels and help text. [`super::definitions`] has the table of all metrics.
#[derive(Debug)]
pub struct Metric {
    /// Name in Prometheus: base units, `_total` for counters.
    pub name: &'static str,
    /// Name in OpenTelemetry; that of its semantic conventions, if there is one.
    pub otel: &'static str,
    /// Kind of the metric.
    pub kind: MetricKind,
    /// Unit, by the Unified Code for Units of Measure.
    pub unit: &'static str,
    /// Labels: each with its name in Prometheus and in OpenTelemetry.
    pub labels: &'static [(&'static str, &'static str)],
    /// Description for people.
    pub help: &'static str,
}

/// Kind of a metric.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum MetricKind {
    /// Value that only grows.
    Counter,
    /// Value that goes up and down.
    Gauge,
    /// Distribution of durations over buckets with these upper bounds, in seconds.
    Histogram(&'static [f64]),
}

impl MetricKind {
    /// Returns Prometheus's name of the kind.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram(_) => "histogram",
        }
    }
}

/// Returns the index of a duration's bucket; the last bucket has no upper bound.
pub(crate) fn bucket_index(bounds: &[f64], took: Duration) -> usize {
    let seconds = took.as_secs_f64();
    bounds.iter().position(|bound| seconds <= *bound).unwrap_or(bounds.len())
}

/// Values of all metrics at one moment.
#[derive(Debug, Default)]
pub struct MetricSnapshot(pub(crate) Vec<MetricFamily>);

/// Metric and its values.
#[derive(Debug)]
pub(crate) struct MetricFamily {
    pub(crate) metric: &'static Metric,
    pub(crate) points: Vec<DataPoint>,
}

/// Value and its label values, in the order of the metric's labels.
#[derive(Debug)]
pub(crate) struct DataPoint {
    pub(crate) labels: Vec<String>,
    pub(crate) value: Value,
}

/// Value of a metric.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    Integer(u64),
    Float(f64),
    /// Count of each bucket (not cumulative), and the sum of all durations in seconds.
    Histogram(Vec<u64>, f64),
}

impl MetricSnapshot {
    /// Adds a value.
    pub(crate) fn push(&mut self, metric: &'static Metric, labels: &[&str], value: Value) {
        debug_assert_eq!(labels.len(), metric.labels.len(), "{}", metric.name);
        let point = DataPoint { labels: labels.iter().map(|label| (*label).to_owned()).collect(), value };
        match self.0.last_mut() {
            Some(family) if std::ptr::eq(family.metric, metric) => family.points.push(point),
            _ => self.0.push(MetricFamily { metric, points: vec![point] }),
        }
    }

    /// Adds a whole number.
    pub fn add_u64(&mut self, metric: &'static Metric, labels: &[&str], value: u64) {
        self.push(metric, labels, Value::Integer(value));
    }

    /// Adds a count.
    pub fn add_usize(&mut self, metric: &'static Metric, labels: &[&str], value: usize) {
        self.add_u64(metric, labels, value as u64);
    }

    /// Adds 1 for true and 0 for false.
    pub fn add_bool(&mut self, metric: &'static Metric, value: bool) {
        self.add_u64(metric, &[], value.into());
    }

    /// Adds a number with a fraction, most often seconds.
    pub fn add_f64(&mut self, metric: &'static Metric, labels: &[&str], value: f64) {
        self.push(metric, labels, Value::Float(value));
    }
}
