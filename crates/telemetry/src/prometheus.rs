//! A sheet of metrics in Prometheus's text format (0.0.4), which every scraper reads.

use std::fmt::Write as _;

use super::metric::{Family, Kind, Point, Sheet, Value};

/// The content type.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Writes a sheet.
#[must_use]
pub fn text(sheet: &Sheet) -> String {
    let mut text = String::with_capacity(16 * 1024);
    for Family { metric, points } in &sheet.0 {
        let _ = writeln!(text, "# HELP {} {}", metric.name, escaped(metric.help, false));
        let _ = writeln!(text, "# TYPE {} {}", metric.name, metric.kind.name());
        for Point { labels, value } in points {
            let names = metric.labels.iter().map(|(name, _)| *name);
            let labels: Vec<(&str, &str)> = names.zip(labels.iter().map(String::as_str)).collect();
            match (value, metric.kind) {
                (Value::Spread(slices, sum), Kind::Histogram(bounds)) => {
                    spread(&mut text, metric.name, &labels, (bounds, slices, *sum));
                }
                (Value::Whole(value), _) => line(&mut text, metric.name, &labels, &value.to_string()),
                (Value::Real(value), _) => line(&mut text, metric.name, &labels, &value.to_string()),
                (Value::Spread(..), Kind::Counter | Kind::Gauge) => {}
            }
        }
    }
    text
}

/// A histogram: Prometheus counts what is below each bound, however far.
fn spread(
    text: &mut String,
    name: &str,
    labels: &[(&str, &str)],
    (bounds, slices, sum): (&[f64], &[u64], f64),
) {
    let mut below = 0;
    let ends = bounds.iter().map(ToString::to_string).chain(["+Inf".to_owned()]);
    for (end, count) in ends.zip(slices) {
        below += count;
        let labels: Vec<(&str, &str)> = labels.iter().copied().chain([("le", end.as_str())]).collect();
        line(text, &format!("{name}_bucket"), &labels, &below.to_string());
    }
    line(text, &format!("{name}_sum"), labels, &sum.to_string());
    line(text, &format!("{name}_count"), labels, &below.to_string());
}

fn line(text: &mut String, name: &str, labels: &[(&str, &str)], value: &str) {
    text.push_str(name);
    for (n, (label, said)) in labels.iter().enumerate() {
        let _ = write!(text, "{}{label}=\"{}\"", if n == 0 { '{' } else { ',' }, escaped(said, true));
    }
    if !labels.is_empty() {
        text.push('}');
    }
    let _ = writeln!(text, " {value}");
}

fn escaped(said: &str, quoted: bool) -> String {
    let said = said.replace('\\', "\\\\").replace('\n', "\\n");
    if quoted { said.replace('"', "\\\"") } else { said }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue;

    #[test]
    fn values_stand_under_their_names_with_their_labels() {
        let mut sheet = Sheet::default();
        sheet.count(&catalogue::CHECKS, &["envoy", "a\"b\\c\nd", "denied", "REVOKED", "memory"], 3);
        sheet.real(&catalogue::FEED_LAG, &[], 0.25);
        let mut slices = vec![0; catalogue::CHECK_BOUNDS.len() + 1];
        (slices[0], slices[2], slices[15]) = (1, 2, 4);
        sheet.put(&catalogue::CHECK_DURATION, &["native", "database"], Value::Spread(slices, 9.5));
        let text = text(&sheet);
        for line in [
            "# TYPE latchkey_checks_total counter",
            r#"latchkey_checks_total{door="envoy",profile="a\"b\\c\nd",outcome="denied",reason="REVOKED",source="memory"} 3"#,
            "# TYPE latchkey_feed_lag_seconds gauge",
            "latchkey_feed_lag_seconds 0.25",
            r#"latchkey_check_duration_seconds_bucket{door="native",source="database",le="0.00001"} 1"#,
            r#"latchkey_check_duration_seconds_bucket{door="native",source="database",le="0.00005"} 3"#,
            r#"latchkey_check_duration_seconds_bucket{door="native",source="database",le="1"} 3"#,
            r#"latchkey_check_duration_seconds_bucket{door="native",source="database",le="+Inf"} 7"#,
            r#"latchkey_check_duration_seconds_sum{door="native",source="database"} 9.5"#,
            r#"latchkey_check_duration_seconds_count{door="native",source="database"} 7"#,
        ] {
            assert!(text.lines().any(|have| have == line), "{line}\n{text}");
        }
    }
}
