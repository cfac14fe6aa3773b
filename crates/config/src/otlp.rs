//! Export of traces and metrics, by the variables of OpenTelemetry's specification. Headers may hold a password, so no
//! text shows them.

use std::fmt;
use std::time::Duration;

use http::{HeaderName, HeaderValue, Uri};

use super::definitions::{self, Setting};
use super::reader::SettingsReader;
use super::values::{self, ParseResult};

/// Settings of the OTLP export.
#[derive(Clone)]
pub struct OtlpSettings {
    /// Collector of traces; `None` if they are not exported.
    pub traces: Option<Uri>,
    /// Collector of metrics; `None` if they are not exported.
    pub metrics: Option<Uri>,
    /// Headers of each export; may hold a password.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// CA certificates in PEM that collectors are verified with; `None` for the system's.
    pub ca: Option<Vec<u8>>,
    /// Maximum duration of an export.
    pub timeout: Duration,
    /// Resource attributes of this process.
    pub resource: Vec<(String, String)>,
    /// Sampling of Checks as spans.
    pub sampler: SamplerSettings,
    /// Interval between two exports of metrics.
    pub interval: Duration,
    /// Maximum number of queued spans.
    pub queue: usize,
    /// Maximum time that a span waits for its batch to fill.
    pub delay: Duration,
}

/// Leaves out the headers, which may hold a password.
impl fmt::Debug for OtlpSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OtlpSettings")
            .field("traces", &self.traces)
            .field("metrics", &self.metrics)
            .finish_non_exhaustive()
    }
}

/// Sampling of Checks as spans.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SamplerSettings {
    /// Follows the caller's sampling decision, if it sent one.
    pub parent: bool,
    /// Ratio of all other Checks that are sampled, from 0 to 1.
    pub ratio: f64,
}

impl SettingsReader<'_> {
    /// Reads the settings of the export; `None` if nothing is exported. All given settings are checked, even if unused.
    pub(super) fn otlp(&mut self) -> Option<OtlpSettings> {
        let disabled = self.read(&definitions::OTEL_DISABLED, values::switch)?;
        let protocol = self.read(&definitions::OTLP_PROTOCOL, |text| match text {
            "grpc" => Ok(()),
            _ => Err(format!("{text:?} is not supported: give grpc, and the collector's gRPC port (4317)")),
        });
        let both = self.read(&definitions::OTLP_ENDPOINT, endpoint);
        let traces =
            self.signal(&definitions::TRACES_EXPORTER, &definitions::OTLP_TRACES_ENDPOINT, both.as_ref());
        let metrics =
            self.signal(&definitions::METRICS_EXPORTER, &definitions::OTLP_METRICS_ENDPOINT, both.as_ref());
        let headers = self.read(&definitions::OTLP_HEADERS, headers);
        let ca = self.read(&definitions::OTLP_CERTIFICATE, |path| {
            std::fs::read(path).map_err(|error| format!("{path:?} can't be read: {error}"))
        });
        let timeout = self.read(&definitions::OTLP_TIMEOUT, millis);
        let name = self.read(&definitions::OTEL_SERVICE_NAME, |text| Ok(text.to_owned()));
        let given = self.read(&definitions::OTEL_RESOURCE, pairs);
        let sampler = self.sampler();
        let interval = self.read(&definitions::OTEL_METRIC_INTERVAL, millis);
        let queue = self.read(&definitions::OTEL_BSP_QUEUE, |text| values::number(text, 1, 1_000_000));
        let delay = self.read(&definitions::OTEL_BSP_DELAY, millis);
        protocol?;
        if disabled || (traces.is_none() && metrics.is_none()) {
            return None;
        }
        let resource = resource(name, given.unwrap_or_default());
        let (timeout, interval, delay) = (timeout?, interval?, delay?);
        let (headers, sampler, queue) = (headers.unwrap_or_default(), sampler?, queue?);
        Some(OtlpSettings {
            traces,
            metrics,
            headers,
            ca,
            timeout,
            resource,
            sampler,
            interval,
            queue,
            delay,
        })
    }

    /// Returns the endpoint of one signal: its own, or the common one.
    fn signal(&mut self, exporter: &Setting, own: &Setting, both: Option<&Uri>) -> Option<Uri> {
        let on = self.read(exporter, |text| match text {
            "otlp" => Ok(true),
            "none" => Ok(false),
            _ => Err(format!("{text:?} is neither otlp nor none")),
        });
        let own = self.read(own, endpoint);
        own.or_else(|| both.cloned()).filter(|_| on == Some(true))
    }

    fn sampler(&mut self) -> Option<SamplerSettings> {
        let share = self.read(&definitions::OTEL_SAMPLER_ARG, |text| {
            let share = text.parse().ok().filter(|share| (0.0..=1.0).contains(share));
            share.ok_or_else(|| format!("{text:?} is not a ratio: write a number from 0 to 1"))
        });
        // The sampler is read even if the ratio is invalid, so that both errors are reported.
        let read = self.read(&definitions::OTEL_SAMPLER, |text| {
            let (parent, root) = match text.strip_prefix("parentbased_") {
                Some(root) => (true, root),
                None => (false, text),
            };
            let share = match root {
                "always_on" => 1.0,
                "always_off" => 0.0,
                "traceidratio" => share.unwrap_or_default(),
                _ => {
                    return Err(format!(
                        "{text:?} is unknown: write always_on, always_off or traceidratio, or one of these after parentbased_"
                    ));
                }
            };
            Ok(SamplerSettings { parent, ratio: share })
        });
        share.and(read)
    }
}

fn endpoint(text: &str) -> ParseResult<Uri> {
    let remedy =
        || format!("{text:?} is not a collector's address: write http://HOST:4317 or https://HOST:4317");
    let uri: Uri = text.parse().map_err(|_| remedy())?;
    let known = matches!(uri.scheme_str(), Some("http" | "https"));
    let plain = uri.authority().is_some_and(|authority| !authority.as_str().contains('@'));
    if known && plain && matches!(uri.path(), "" | "/") && uri.query().is_none() {
        Ok(uri)
    } else {
        Err(remedy())
    }
}

/// Parses milliseconds, as the specification writes them, or a duration with a unit.
fn millis(text: &str) -> ParseResult<Duration> {
    let (least, most) = (Duration::from_millis(1), Duration::from_hours(24));
    if text.chars().all(|c| c.is_ascii_digit()) {
        return values::duration(&format!("{text}ms"), least, most);
    }
    values::duration(text, least, most)
}

/// Parses `name=value,name=value`, with percent-encoded values.
fn pairs(text: &str) -> ParseResult<Vec<(String, String)>> {
    let pair = |pair: &str| {
        let (name, value) = pair.split_once('=')?;
        let (name, value) = (name.trim(), percent_decode(value.trim())?);
        (!name.is_empty()).then(|| (name.to_owned(), value))
    };
    let read: Option<Vec<_>> = text.split(',').filter(|part| !part.trim().is_empty()).map(pair).collect();
    read.ok_or_else(|| "write name=value,name=value, with values percent-encoded".to_owned())
}

fn percent_decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
            let (high, low) = (digit(rest.next())?, digit(rest.next())?);
            bytes.push(u8::try_from(high * 16 + low).ok()?);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok()
}

/// Parses gRPC metadata with text values. A name that ends in `-bin` is for binary values, and is an error.
fn headers(text: &str) -> ParseResult<Vec<(HeaderName, HeaderValue)>> {
    let header = |(name, value): (String, String)| {
        let name: HeaderName =
            name.parse().ok().filter(|name: &HeaderName| !name.as_str().ends_with("-bin"))?;
        let mut value: HeaderValue = value.parse().ok()?;
        value.set_sensitive(true);
        Some((name, value))
    };
    let read: Option<Vec<_>> = pairs(text)?.into_iter().map(header).collect();
    read.ok_or_else(|| "a name or a value is not valid in a header: write name=value,name=value".to_owned())
}

/// Returns the resource attributes. The service's name comes first; its own setting wins over the attributes.
fn resource(name: Option<String>, given: Vec<(String, String)>) -> Vec<(String, String)> {
    const NAME: &str = "service.name";
    let attribute = given.iter().find(|(key, _)| key == NAME).map(|(_, value)| value.clone());
    let name = name.or(attribute).unwrap_or_else(|| "latchkey".to_owned());
    let rest = given.into_iter().filter(|(key, _)| key != NAME);
    [(NAME.to_owned(), name)].into_iter().chain(rest).collect()
}

#[cfg(test)]
#[path = "otlp_tests.rs"]
mod tests;
