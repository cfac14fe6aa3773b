//! Export of traces and metrics, by the variables of OpenTelemetry's specification. Headers may hold a password, so no
//! text shows them.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use http::{HeaderName, HeaderValue, Uri};

use super::definitions::{self, Setting};
use super::reader::SettingsReader;
use super::values::{self, ParseResult};

/// Settings of the OTLP export.
#[derive(Clone)]
pub struct OtlpSettings {
    /// Protocol of both exports.
    pub protocol: OtlpProtocol,
    /// Collector of traces; `None` if they are not exported. With HTTP, it is the whole URL that they are posted to.
    pub traces: Option<Uri>,
    /// Collector of metrics; `None` if they are not exported. With HTTP, it is the whole URL that they are posted to.
    pub metrics: Option<Uri>,
    /// Headers of each export; may hold a password.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// CA certificates in PEM that collectors are verified with; `None` for the system's.
    pub ca: Option<Vec<u8>>,
    /// File of the CA certificates.
    pub ca_file: Option<PathBuf>,
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

/// Protocol of the export.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OtlpProtocol {
    /// OTLP over gRPC.
    Grpc,
    /// OTLP over HTTP, with messages in protobuf's binary format.
    HttpProtobuf,
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
            "grpc" => Ok(OtlpProtocol::Grpc),
            "http/protobuf" => Ok(OtlpProtocol::HttpProtobuf),
            _ => Err(format!("{text:?} is not supported: write grpc or http/protobuf")),
        });
        // An invalid protocol is one error: addresses are then read by the rule that permits more of them.
        let rule = protocol.unwrap_or(OtlpProtocol::HttpProtobuf);
        let both = self.read(&definitions::OTLP_ENDPOINT, |text| endpoint(text, rule));
        let traces = self.signal(&TRACES, rule, both.as_ref());
        let metrics = self.signal(&METRICS, rule, both.as_ref());
        let headers = self.read(&definitions::OTLP_HEADERS, headers);
        let (ca_file, ca) = self.read(&definitions::OTLP_CERTIFICATE, values::file).unzip();
        let timeout = self.read(&definitions::OTLP_TIMEOUT, millis);
        let name = self.read(&definitions::OTEL_SERVICE_NAME, |text| Ok(text.to_owned()));
        let given = self.read(&definitions::OTEL_RESOURCE, pairs);
        let sampler = self.sampler();
        let interval = self.read(&definitions::OTEL_METRIC_INTERVAL, millis);
        let queue = self.read(&definitions::OTEL_BSP_QUEUE, |text| values::number(text, 1, 1_000_000));
        let delay = self.read(&definitions::OTEL_BSP_DELAY, millis);
        let protocol = protocol?;
        if disabled || (traces.is_none() && metrics.is_none()) {
            return None;
        }
        let resource = resource(name, given.unwrap_or_default());
        let (timeout, interval, delay) = (timeout?, interval?, delay?);
        let (headers, sampler, queue) = (headers.unwrap_or_default(), sampler?, queue?);
        Some(OtlpSettings {
            protocol,
            traces,
            metrics,
            headers,
            ca,
            ca_file,
            timeout,
            resource,
            sampler,
            interval,
            queue,
            delay,
        })
    }

    /// Returns the endpoint of one signal: its own, or the common one. With HTTP, the signal's path is appended to the
    /// common one, and its own is used as it is.
    fn signal(&mut self, signal: &Signal, protocol: OtlpProtocol, both: Option<&Uri>) -> Option<Uri> {
        let on = self.read(signal.exporter, |text| match text {
            "otlp" => Ok(true),
            "none" => Ok(false),
            _ => Err(format!("{text:?} is neither otlp nor none")),
        });
        let own = self.read(signal.endpoint, |text| endpoint(text, protocol));
        let common = || match protocol {
            OtlpProtocol::Grpc => both.cloned(),
            OtlpProtocol::HttpProtobuf => both.and_then(|base| append_path(base, signal.path)),
        };
        own.or_else(common).filter(|_| on == Some(true))
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

/// Settings of one kind of telemetry, and its path with HTTP.
struct Signal {
    exporter: &'static Setting,
    endpoint: &'static Setting,
    path: &'static str,
}

const TRACES: Signal = Signal {
    exporter: &definitions::TRACES_EXPORTER,
    endpoint: &definitions::OTLP_TRACES_ENDPOINT,
    path: "v1/traces",
};
const METRICS: Signal = Signal {
    exporter: &definitions::METRICS_EXPORTER,
    endpoint: &definitions::OTLP_METRICS_ENDPOINT,
    path: "v1/metrics",
};

/// Appends a path to a URL without a query.
fn append_path(base: &Uri, path: &str) -> Option<Uri> {
    let base = base.to_string();
    format!("{}/{path}", base.strip_suffix('/').unwrap_or(&base)).parse().ok()
}

/// Parses a collector's address. With gRPC it has no path.
fn endpoint(text: &str, protocol: OtlpProtocol) -> ParseResult<Uri> {
    let remedy = || {
        let address = match protocol {
            OtlpProtocol::Grpc => "HOST:4317",
            OtlpProtocol::HttpProtobuf => "HOST:4318",
        };
        format!("{text:?} is not a collector's address: write http://{address} or https://{address}")
    };
    let uri: Uri = text.parse().map_err(|_| remedy())?;
    let known = matches!(uri.scheme_str(), Some("http" | "https"));
    let plain = uri.authority().is_some_and(|authority| !authority.as_str().contains('@'));
    let path = protocol == OtlpProtocol::HttpProtobuf || matches!(uri.path(), "" | "/");
    if known && plain && path && uri.query().is_none() { Ok(uri) } else { Err(remedy()) }
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
