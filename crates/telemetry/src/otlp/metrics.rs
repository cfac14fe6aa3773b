//! Conversion of a snapshot of metrics to OTLP, with OpenTelemetry's names. Counters and histograms are cumulative since
//! the process's start.

use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value as Number;
use opentelemetry_proto::tonic::metrics::v1::{
    AggregationTemporality, Gauge, Histogram, HistogramDataPoint, Metric, NumberDataPoint, Sum,
};

use super::attributes::string_attribute;
use crate::metric::{DataPoint, MetricFamily, MetricKind, MetricSnapshot, Value};

/// Start and end of a measurement, in nanoseconds since 1970.
#[derive(Clone, Copy)]
pub(super) struct TimeRange {
    pub(super) start: u64,
    pub(super) end: u64,
}

/// Converts every metric of a snapshot.
pub(super) fn to_otlp(snapshot: &MetricSnapshot, range: TimeRange) -> Vec<Metric> {
    snapshot.0.iter().map(|family| metric(family, range)).collect()
}

fn metric(family: &MetricFamily, range: TimeRange) -> Metric {
    let MetricFamily { metric, points } = family;
    let numbers = || points.iter().filter_map(|point| number(metric.labels, point, range)).collect();
    let cumulative = AggregationTemporality::Cumulative.into();
    let data = match metric.kind {
        MetricKind::Counter => {
            Data::Sum(Sum { data_points: numbers(), aggregation_temporality: cumulative, is_monotonic: true })
        }
        MetricKind::Gauge => Data::Gauge(Gauge { data_points: numbers() }),
        MetricKind::Histogram(bounds) => {
            let histograms = points.iter().filter_map(|point| histogram(metric.labels, point, bounds, range));
            Data::Histogram(Histogram {
                data_points: histograms.collect(),
                aggregation_temporality: cumulative,
            })
        }
    };
    Metric {
        name: metric.otel.to_owned(),
        description: metric.help.to_owned(),
        unit: metric.unit.to_owned(),
        data: Some(data),
        ..Metric::default()
    }
}

/// Returns a point's attributes. By OpenTelemetry's convention, `error.type` is left out if there was no error.
fn labels(names: &[(&str, &str)], point: &DataPoint) -> Vec<KeyValue> {
    let labels = names.iter().zip(&point.labels).map(|((_, name), value)| (*name, value.as_str()));
    labels
        .filter(|label| *label != ("error.type", "ok"))
        .map(|(name, value)| string_attribute(name, value))
        .collect()
}

fn number(names: &[(&str, &str)], point: &DataPoint, range: TimeRange) -> Option<NumberDataPoint> {
    let value = match point.value {
        Value::Integer(value) => Number::AsInt(i64::try_from(value).unwrap_or(i64::MAX)),
        Value::Float(value) => Number::AsDouble(value),
        Value::Histogram(..) => return None,
    };
    Some(NumberDataPoint {
        attributes: labels(names, point),
        start_time_unix_nano: range.start,
        time_unix_nano: range.end,
        value: Some(value),
        ..NumberDataPoint::default()
    })
}

fn histogram(
    names: &[(&str, &str)],
    point: &DataPoint,
    bounds: &[f64],
    range: TimeRange,
) -> Option<HistogramDataPoint> {
    let Value::Histogram(buckets, sum) = &point.value else { return None };
    Some(HistogramDataPoint {
        attributes: labels(names, point),
        start_time_unix_nano: range.start,
        time_unix_nano: range.end,
        count: buckets.iter().sum(),
        sum: Some(*sum),
        bucket_counts: buckets.clone(),
        explicit_bounds: bounds.to_vec(),
        ..HistogramDataPoint::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::definitions;

    #[test]
    fn each_kind_keeps_its_numbers_and_gets_its_own_name() {
        let mut snapshot = MetricSnapshot::default();
        snapshot.add_u64(&definitions::CHECKS, &["ext_authz", "shop", "denied", "REVOKED", "cache"], 3);
        snapshot.add_f64(&definitions::FEED_LAG, &[], 0.5);
        let mut buckets = vec![0; definitions::CHECK_BOUNDS.len() + 1];
        (buckets[0], buckets[15]) = (1, 4);
        snapshot.push(&definitions::CHECK_DURATION, &["native", "database"], Value::Histogram(buckets, 9.5));
        let metrics = to_otlp(&snapshot, TimeRange { start: 1, end: 2 });
        let names: Vec<&str> = metrics.iter().map(|metric| metric.name.as_str()).collect();
        assert_eq!(names, ["latchkey.checks", "latchkey.feed.lag", "latchkey.check.duration"]);
        let Some(Data::Sum(sum)) = &metrics[0].data else { panic!("a counter is a sum") };
        assert!(sum.is_monotonic && sum.aggregation_temporality == 2);
        assert_eq!(sum.data_points[0].value, Some(Number::AsInt(3)));
        assert_eq!(sum.data_points[0].attributes[3], string_attribute("latchkey.reason", "REVOKED"));
        let Some(Data::Gauge(gauge)) = &metrics[1].data else { panic!("a gauge") };
        assert_eq!(gauge.data_points[0].value, Some(Number::AsDouble(0.5)));
        let Some(Data::Histogram(histogram)) = &metrics[2].data else { panic!("a histogram") };
        let point = &histogram.data_points[0];
        assert_eq!((point.count, point.sum, point.bucket_counts.len()), (5, Some(9.5), 16));
        assert_eq!((point.explicit_bounds.len(), point.time_unix_nano), (15, 2));
    }

    #[test]
    fn an_error_has_its_type_and_an_answer_has_none() {
        let mut snapshot = MetricSnapshot::default();
        for outcome in ["ok", "timeout"] {
            let value = Value::Histogram(vec![0; definitions::QUERY_BOUNDS.len() + 1], 0.0);
            snapshot.push(&definitions::QUERY_DURATION, &["sqlite", "find_key", outcome], value);
        }
        let metrics = to_otlp(&snapshot, TimeRange { start: 1, end: 2 });
        let Some(Data::Histogram(histogram)) = &metrics[0].data else { panic!("a histogram") };
        let actual: Vec<_> = histogram.data_points.iter().map(|point| point.attributes.clone()).collect();
        let both =
            [string_attribute("db.system.name", "sqlite"), string_attribute("db.operation.name", "find_key")];
        let late = [&both[..], &[string_attribute("error.type", "timeout")]].concat();
        assert_eq!((actual[0].as_slice(), &actual[1]), (&both[..], &late));
    }
}
