//! Settings with the checks of the parts that use them, and what each part takes of them.

pub(crate) mod tls;

#[cfg(test)]
mod tests;

use latchkey_config::{BadSettings, Checks, Log, LogFormat, Otlp, Problem, Redis, Settings, Sources, Tls};
use latchkey_redis::{Address, BadUrl};
use latchkey_telemetry::{Flush, otlp as telemetry};

/// Reads and checks everything that the operator has given.
pub fn load(sources: &Sources) -> Result<Settings, BadSettings> {
    Settings::load(sources, &Parts)
}

struct Parts;

impl Checks for Parts {
    fn redis(&self, given: &Redis) -> Result<(), String> {
        redis(given).map(drop).map_err(|bad| bad.to_string())
    }

    fn tls(&self, given: &Tls) -> Vec<Problem> {
        tls::check(given)
    }
}

/// Address of Redis as its client takes it.
pub(crate) fn redis(given: &Redis) -> Result<Address, BadUrl> {
    Address::parse(&given.url, given.ca.clone())
}

/// Starts logging for the whole process; what is returned writes out the rest when it is dropped.
#[must_use]
pub fn start_log(log: &Log) -> Flush {
    let format = log.format.map(|format| match format {
        LogFormat::Text => latchkey_telemetry::LogFormat::Text,
        LogFormat::Json => latchkey_telemetry::LogFormat::Json,
    });
    latchkey_telemetry::start(format, &log.directives)
}

/// Export of telemetry as its exporter takes it.
pub(crate) fn otlp(given: &Otlp) -> telemetry::Otlp {
    let Otlp { traces, metrics, headers, ca, timeout, resource, sampler, interval, queue, delay } =
        given.clone();
    let sampler = telemetry::Sampler { parent: sampler.parent, share: sampler.share };
    telemetry::Otlp { traces, metrics, headers, ca, timeout, resource, sampler, interval, queue, delay }
}
