//! What a metric is, and a sheet of them as they stand at one moment. `/metrics` and OTLP are written from the
//! same snapshot, so that they can't come to say different things.

use std::time::Duration;

/// One metric: its names, and what is counted. The table of all of them is [`super::definitions`].
#[derive(Debug)]
pub struct Metric {
    /// As Prometheus has it: base units, `_total` for counters.
    pub name: &'static str,
    /// As OpenTelemetry has it; its own convention's name, where there is one.
    pub otel: &'static str,
    /// What it does over time.
    pub kind: MetricKind,
    /// By the Unified Code for Units of Measure.
    pub unit: &'static str,
    /// By what it is divided: Prometheus's name and OpenTelemetry's.
    pub labels: &'static [(&'static str, &'static str)],
    /// For people.
    pub help: &'static str,
}

/// What a metric does over time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum MetricKind {
    /// It grows.
    Counter,
    /// It goes up and down.
    Gauge,
    /// It counts how often a value fell between these bounds, in seconds.
    Histogram(&'static [f64]),
}

impl MetricKind {
    /// As Prometheus calls it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram(_) => "histogram",
        }
    }
}

/// The place of a time between these bounds.
pub(crate) fn bucket_index(bounds: &[f64], took: Duration) -> usize {
    let seconds = took.as_secs_f64();
    bounds.iter().position(|bound| seconds <= *bound).unwrap_or(bounds.len())
}

/// Metrics as they stand.
#[derive(Debug, Default)]
pub struct MetricSnapshot(pub(crate) Vec<MetricFamily>);

/// A metric and its values.
#[derive(Debug)]
pub(crate) struct MetricFamily {
    pub(crate) metric: &'static Metric,
    pub(crate) points: Vec<DataPoint>,
}

/// One value, and what its labels say, in the order of the metric's own.
#[derive(Debug)]
pub(crate) struct DataPoint {
    pub(crate) labels: Vec<String>,
    pub(crate) value: Value,
}

/// A value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    Integer(u64),
    Float(f64),
    /// How many fell between the bounds, each by itself, and what they come to together.
    Histogram(Vec<u64>, f64),
}

impl MetricSnapshot {
    /// Writes down a value.
    pub(crate) fn push(&mut self, metric: &'static Metric, labels: &[&str], value: Value) {
        debug_assert_eq!(labels.len(), metric.labels.len(), "{}", metric.name);
        let point = DataPoint { labels: labels.iter().map(|label| (*label).to_owned()).collect(), value };
        match self.0.last_mut() {
            Some(family) if std::ptr::eq(family.metric, metric) => family.points.push(point),
            _ => self.0.push(MetricFamily { metric, points: vec![point] }),
        }
    }

    /// A whole number.
    pub fn add_u64(&mut self, metric: &'static Metric, labels: &[&str], value: u64) {
        self.push(metric, labels, Value::Integer(value));
    }

    /// How many there are of something.
    pub fn add_usize(&mut self, metric: &'static Metric, labels: &[&str], value: usize) {
        self.add_u64(metric, labels, value as u64);
    }

    /// Yes or no.
    pub fn add_bool(&mut self, metric: &'static Metric, value: bool) {
        self.add_u64(metric, &[], value.into());
    }

    /// A number with a fraction, seconds most often.
    pub fn add_f64(&mut self, metric: &'static Metric, labels: &[&str], value: f64) {
        self.push(metric, labels, Value::Float(value));
    }
}
