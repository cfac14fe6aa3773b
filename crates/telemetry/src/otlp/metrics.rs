//! A sheet of metrics as OTLP has it, with OpenTelemetry's own names. What is told since the process began is told
//! as that, however often it is sent.

use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value as Number;
use opentelemetry_proto::tonic::metrics::v1::{
    AggregationTemporality, Gauge, Histogram, HistogramDataPoint, Metric, NumberDataPoint, Sum,
};

use super::words::text;
use crate::metric::{Family, Kind, Point, Sheet, Value};

/// From when to when, in nanoseconds since 1970.
#[derive(Clone, Copy)]
pub(super) struct Span {
    pub(super) start: u64,
    pub(super) end: u64,
}

/// Every metric of a sheet.
pub(super) fn of(sheet: &Sheet, span: Span) -> Vec<Metric> {
    sheet.0.iter().map(|family| metric(family, span)).collect()
}

fn metric(family: &Family, span: Span) -> Metric {
    let Family { metric, points } = family;
    let numbers = || points.iter().filter_map(|point| number(metric.labels, point, span)).collect();
    let cumulative = AggregationTemporality::Cumulative.into();
    let data = match metric.kind {
        Kind::Counter => {
            Data::Sum(Sum { data_points: numbers(), aggregation_temporality: cumulative, is_monotonic: true })
        }
        Kind::Gauge => Data::Gauge(Gauge { data_points: numbers() }),
        Kind::Histogram(bounds) => {
            let spreads = points.iter().filter_map(|point| spread(metric.labels, point, (bounds, span)));
            Data::Histogram(Histogram { data_points: spreads.collect(), aggregation_temporality: cumulative })
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

/// The convention has `error.type` where there was an error, and not otherwise.
fn labels(names: &[(&str, &str)], point: &Point) -> Vec<KeyValue> {
    let said = names.iter().zip(&point.labels).map(|((_, name), said)| (*name, said.as_str()));
    said.filter(|said| *said != ("error.type", "ok")).map(|(name, said)| text(name, said)).collect()
}

fn number(names: &[(&str, &str)], point: &Point, span: Span) -> Option<NumberDataPoint> {
    let value = match point.value {
        Value::Whole(value) => Number::AsInt(i64::try_from(value).unwrap_or(i64::MAX)),
        Value::Real(value) => Number::AsDouble(value),
        Value::Spread(..) => return None,
    };
    Some(NumberDataPoint {
        attributes: labels(names, point),
        start_time_unix_nano: span.start,
        time_unix_nano: span.end,
        value: Some(value),
        ..NumberDataPoint::default()
    })
}

fn spread(
    names: &[(&str, &str)],
    point: &Point,
    (bounds, span): (&[f64], Span),
) -> Option<HistogramDataPoint> {
    let Value::Spread(slices, sum) = &point.value else { return None };
    Some(HistogramDataPoint {
        attributes: labels(names, point),
        start_time_unix_nano: span.start,
        time_unix_nano: span.end,
        count: slices.iter().sum(),
        sum: Some(*sum),
        bucket_counts: slices.clone(),
        explicit_bounds: bounds.to_vec(),
        ..HistogramDataPoint::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue;

    #[test]
    fn each_kind_keeps_its_numbers_and_gets_its_own_name() {
        let mut sheet = Sheet::default();
        sheet.count(&catalogue::CHECKS, &["envoy", "shop", "denied", "REVOKED", "memory"], 3);
        sheet.real(&catalogue::FEED_LAG, &[], 0.5);
        let mut slices = vec![0; catalogue::CHECK_BOUNDS.len() + 1];
        (slices[0], slices[15]) = (1, 4);
        sheet.put(&catalogue::CHECK_DURATION, &["native", "database"], Value::Spread(slices, 9.5));
        let told = of(&sheet, Span { start: 1, end: 2 });
        let names: Vec<&str> = told.iter().map(|metric| metric.name.as_str()).collect();
        assert_eq!(names, ["latchkey.checks", "latchkey.feed.lag", "latchkey.check.duration"]);
        let Some(Data::Sum(sum)) = &told[0].data else { panic!("a counter is a sum") };
        assert!(sum.is_monotonic && sum.aggregation_temporality == 2);
        assert_eq!(sum.data_points[0].value, Some(Number::AsInt(3)));
        assert_eq!(sum.data_points[0].attributes[3], text("latchkey.reason", "REVOKED"));
        let Some(Data::Gauge(gauge)) = &told[1].data else { panic!("a gauge") };
        assert_eq!(gauge.data_points[0].value, Some(Number::AsDouble(0.5)));
        let Some(Data::Histogram(histogram)) = &told[2].data else { panic!("a histogram") };
        let point = &histogram.data_points[0];
        assert_eq!((point.count, point.sum, point.bucket_counts.len()), (5, Some(9.5), 16));
        assert_eq!((point.explicit_bounds.len(), point.time_unix_nano), (15, 2));
    }

    #[test]
    fn an_error_has_its_type_and_an_answer_has_none() {
        let mut sheet = Sheet::default();
        for outcome in ["ok", "timeout"] {
            let value = Value::Spread(vec![0; catalogue::QUERY_BOUNDS.len() + 1], 0.0);
            sheet.put(&catalogue::QUERY_DURATION, &["sqlite", "find_key", outcome], value);
        }
        let told = of(&sheet, Span { start: 1, end: 2 });
        let Some(Data::Histogram(histogram)) = &told[0].data else { panic!("a histogram") };
        let told: Vec<_> = histogram.data_points.iter().map(|point| point.attributes.clone()).collect();
        let both = [text("db.system.name", "sqlite"), text("db.operation.name", "find_key")];
        let late = [&both[..], &[text("error.type", "timeout")]].concat();
        assert_eq!((told[0].as_slice(), &told[1]), (&both[..], &late));
    }
}
