//! What a metric is, and a sheet of them as they stand at one moment. `/metrics` and OTLP are written from the
//! same sheet, so that they can't come to say different things.

use std::time::Duration;

/// One metric: its names, and what is counted. The table of all of them is [`super::catalogue`].
#[derive(Debug)]
pub struct Metric {
    /// As Prometheus has it: base units, `_total` for counters.
    pub name: &'static str,
    /// As OpenTelemetry has it; its own convention's name, where there is one.
    pub otel: &'static str,
    /// What it does over time.
    pub kind: Kind,
    /// By the Unified Code for Units of Measure.
    pub unit: &'static str,
    /// By what it is divided: Prometheus's name and OpenTelemetry's.
    pub labels: &'static [(&'static str, &'static str)],
    /// For people.
    pub help: &'static str,
}

/// What a metric does over time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    /// It grows.
    Counter,
    /// It goes up and down.
    Gauge,
    /// It counts how often a value fell between these bounds, in seconds.
    Histogram(&'static [f64]),
}

impl Kind {
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
pub(crate) fn slice(bounds: &[f64], took: Duration) -> usize {
    let seconds = took.as_secs_f64();
    bounds.iter().position(|bound| seconds <= *bound).unwrap_or(bounds.len())
}

/// Metrics as they stand.
#[derive(Debug, Default)]
pub struct Sheet(pub(crate) Vec<Family>);

/// A metric and its values.
#[derive(Debug)]
pub(crate) struct Family {
    pub(crate) metric: &'static Metric,
    pub(crate) points: Vec<Point>,
}

/// One value, and what its labels say, in the order of the metric's own.
#[derive(Debug)]
pub(crate) struct Point {
    pub(crate) labels: Vec<String>,
    pub(crate) value: Value,
}

/// A value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    Whole(u64),
    Real(f64),
    /// How many fell between the bounds, each by itself, and what they come to together.
    Spread(Vec<u64>, f64),
}

impl Sheet {
    /// Writes down a value.
    pub(crate) fn put(&mut self, metric: &'static Metric, labels: &[&str], value: Value) {
        debug_assert_eq!(labels.len(), metric.labels.len(), "{}", metric.name);
        let point = Point { labels: labels.iter().map(|label| (*label).to_owned()).collect(), value };
        match self.0.last_mut() {
            Some(family) if std::ptr::eq(family.metric, metric) => family.points.push(point),
            _ => self.0.push(Family { metric, points: vec![point] }),
        }
    }

    /// A whole number.
    pub fn count(&mut self, metric: &'static Metric, labels: &[&str], value: u64) {
        self.put(metric, labels, Value::Whole(value));
    }

    /// How many there are of something.
    pub fn size(&mut self, metric: &'static Metric, labels: &[&str], value: usize) {
        self.count(metric, labels, value as u64);
    }

    /// Yes or no.
    pub fn flag(&mut self, metric: &'static Metric, value: bool) {
        self.count(metric, &[], value.into());
    }

    /// A number with a fraction, seconds most often.
    pub fn real(&mut self, metric: &'static Metric, labels: &[&str], value: f64) {
        self.put(metric, labels, Value::Real(value));
    }
}
