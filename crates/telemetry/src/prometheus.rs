//! Snapshot of metrics in Prometheus's text format (0.0.4), which every scraper reads.

use std::fmt::Write as _;

use super::metric::{DataPoint, MetricFamily, MetricKind, MetricSnapshot, Value};

/// Content type of the format.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Renders a snapshot.
#[must_use]
pub fn render(snapshot: &MetricSnapshot) -> String {
    let mut text = String::with_capacity(16 * 1024);
    for MetricFamily { metric, points } in &snapshot.0 {
        let _ = writeln!(text, "# HELP {} {}", metric.name, escape(metric.help, false));
        let _ = writeln!(text, "# TYPE {} {}", metric.name, metric.kind.name());
        for DataPoint { labels, value } in points {
            let names = metric.labels.iter().map(|(name, _)| *name);
            let labels: Vec<(&str, &str)> = names.zip(labels.iter().map(String::as_str)).collect();
            match (value, metric.kind) {
                (Value::Histogram(buckets, sum), MetricKind::Histogram(bounds)) => {
                    histogram(&mut text, metric.name, &labels, bounds, buckets, *sum);
                }
                (Value::Integer(value), _) => sample(&mut text, metric.name, &labels, &value.to_string()),
                (Value::Float(value), _) => sample(&mut text, metric.name, &labels, &value.to_string()),
                (Value::Histogram(..), MetricKind::Counter | MetricKind::Gauge) => {}
            }
        }
    }
    text
}

/// Writes a histogram. Prometheus's buckets are cumulative.
fn histogram(
    text: &mut String,
    name: &str,
    labels: &[(&str, &str)],
    bounds: &[f64],
    buckets: &[u64],
    sum: f64,
) {
    let mut below = 0;
    let ends = bounds.iter().map(ToString::to_string).chain(["+Inf".to_owned()]);
    for (end, count) in ends.zip(buckets) {
        below += count;
        let labels: Vec<(&str, &str)> = labels.iter().copied().chain([("le", end.as_str())]).collect();
        sample(text, &format!("{name}_bucket"), &labels, &below.to_string());
    }
    sample(text, &format!("{name}_sum"), labels, &sum.to_string());
    sample(text, &format!("{name}_count"), labels, &below.to_string());
}

fn sample(text: &mut String, name: &str, labels: &[(&str, &str)], number: &str) {
    text.push_str(name);
    for (n, (label, value)) in labels.iter().enumerate() {
        let _ = write!(text, "{}{label}=\"{}\"", if n == 0 { '{' } else { ',' }, escape(value, true));
    }
    if !labels.is_empty() {
        text.push('}');
    }
    let _ = writeln!(text, " {number}");
}

fn escape(text: &str, quoted: bool) -> String {
    let text = text.replace('\\', "\\\\").replace('\n', "\\n");
    if quoted { text.replace('"', "\\\"") } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::definitions;

    #[test]
    fn values_are_written_with_their_names_and_labels() {
        let mut snapshot = MetricSnapshot::default();
        snapshot.add_u64(&definitions::CHECKS, &["ext_authz", "a\"b\\c\nd", "denied", "REVOKED", "cache"], 3);
        snapshot.add_f64(&definitions::FEED_LAG, &[], 0.25);
        let mut buckets = vec![0; definitions::CHECK_BOUNDS.len() + 1];
        (buckets[0], buckets[2], buckets[15]) = (1, 2, 4);
        snapshot.push(&definitions::CHECK_DURATION, &["native", "database"], Value::Histogram(buckets, 9.5));
        let text = render(&snapshot);
        for line in [
            "# TYPE latchkey_checks_total counter",
            r#"latchkey_checks_total{entrypoint="ext_authz",profile="a\"b\\c\nd",outcome="denied",reason="REVOKED",source="cache"} 3"#,
            "# TYPE latchkey_feed_lag_seconds gauge",
            "latchkey_feed_lag_seconds 0.25",
            r#"latchkey_check_duration_seconds_bucket{entrypoint="native",source="database",le="0.00001"} 1"#,
            r#"latchkey_check_duration_seconds_bucket{entrypoint="native",source="database",le="0.00005"} 3"#,
            r#"latchkey_check_duration_seconds_bucket{entrypoint="native",source="database",le="1"} 3"#,
            r#"latchkey_check_duration_seconds_bucket{entrypoint="native",source="database",le="+Inf"} 7"#,
            r#"latchkey_check_duration_seconds_sum{entrypoint="native",source="database"} 9.5"#,
            r#"latchkey_check_duration_seconds_count{entrypoint="native",source="database"} 7"#,
        ] {
            assert!(text.lines().any(|have| have == line), "{line}\n{text}");
        }
    }
}
