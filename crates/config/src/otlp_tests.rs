//! Tests of the OTLP settings.

use super::*;
use crate::tests::load;

const WITH_ENDPOINT: (&str, &str) = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://otlp:4317");

fn read(given: &[(&str, &str)]) -> Option<OtlpSettings> {
    load(&[], given).unwrap_or_else(|error| panic!("{error}")).otlp
}

fn with_endpoint(given: &[(&str, &str)]) -> OtlpSettings {
    read(&[&[WITH_ENDPOINT], given].concat()).expect("an endpoint is given")
}

fn uri(uri: Option<Uri>) -> String {
    uri.map(|uri| uri.to_string()).unwrap_or_default()
}

#[test]
fn nothing_is_exported_without_an_endpoint() {
    assert!(read(&[]).is_none());
    assert!(read(&[("OTEL_TRACES_SAMPLER", "always_on")]).is_none());
    assert!(read(&[WITH_ENDPOINT, ("OTEL_SDK_DISABLED", "true")]).is_none());
    assert!(
        read(&[WITH_ENDPOINT, ("OTEL_TRACES_EXPORTER", "none"), ("OTEL_METRICS_EXPORTER", "none")]).is_none()
    );
}

#[test]
fn the_file_of_the_ca_is_kept_with_its_content() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
    let given = with_endpoint(&[("OTEL_EXPORTER_OTLP_CERTIFICATE", path)]);
    assert_eq!(given.ca_file.as_deref(), Some(std::path::Path::new(path)));
    assert_eq!(given.ca, std::fs::read(path).ok());
    assert_eq!(with_endpoint(&[]).ca_file, None);
}

#[test]
fn both_signals_share_an_endpoint_or_have_their_own() {
    let both = with_endpoint(&[]);
    assert_eq!(
        (uri(both.traces), uri(both.metrics)),
        ("http://otlp:4317/".into(), "http://otlp:4317/".into())
    );
    let own = with_endpoint(&[("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "https://traces:4317")]);
    assert_eq!(uri(own.traces), "https://traces:4317/");
    let metrics = read(&[("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "http://m:1")]).unwrap();
    assert!(metrics.traces.is_none() && metrics.metrics.is_some());
}

#[test]
fn http_has_a_path_for_each_signal_and_keeps_that_of_the_address() {
    let http = |given: &[(&str, &str)]| {
        let protocol = ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf");
        let otlp = read(&[&[protocol], given].concat()).expect("an endpoint is given");
        assert_eq!(otlp.protocol, OtlpProtocol::HttpProtobuf);
        (uri(otlp.traces), uri(otlp.metrics))
    };
    for (base, traces, metrics) in [
        ("http://otlp:4318", "http://otlp:4318/v1/traces", "http://otlp:4318/v1/metrics"),
        ("https://otlp/a/", "https://otlp/a/v1/traces", "https://otlp/a/v1/metrics"),
    ] {
        let both = http(&[("OTEL_EXPORTER_OTLP_ENDPOINT", base)]);
        assert_eq!(both, (traces.to_owned(), metrics.to_owned()));
    }
    let own = http(&[WITH_ENDPOINT, ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://traces/here")]);
    assert_eq!(own, ("http://traces/here".to_owned(), "http://otlp:4317/v1/metrics".to_owned()));
    for bad in ["otlp:4318", "http://otlp?a=b", "http://user:word@otlp"] {
        let given = [("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf"), ("OTEL_EXPORTER_OTLP_ENDPOINT", bad)];
        assert!(load(&[], &given).unwrap_err().to_string().contains("4318"), "{bad}");
    }
}

#[test]
fn the_defaults_are_the_specifications_except_for_the_ratio() {
    let otlp = with_endpoint(&[]);
    assert_eq!((otlp.timeout, otlp.interval), (Duration::from_secs(10), Duration::from_secs(60)));
    assert_eq!(otlp.protocol, OtlpProtocol::Grpc);
    assert_eq!((otlp.queue, otlp.delay), (2_048, Duration::from_secs(5)));
    assert_eq!(otlp.sampler, SamplerSettings { parent: true, ratio: 0.01 });
    assert_eq!(otlp.resource, [("service.name".to_owned(), "latchkey".to_owned())]);
}

#[test]
fn samplers_are_read_by_their_names() {
    let sampler = |name, share| {
        with_endpoint(&[("OTEL_TRACES_SAMPLER", name), ("OTEL_TRACES_SAMPLER_ARG", share)]).sampler
    };
    assert_eq!(sampler("always_on", "0.5"), SamplerSettings { parent: false, ratio: 1.0 });
    assert_eq!(sampler("parentbased_always_off", ""), SamplerSettings { parent: true, ratio: 0.0 });
    assert_eq!(sampler("traceidratio", "0.25"), SamplerSettings { parent: false, ratio: 0.25 });
}

#[test]
fn a_service_is_named_by_its_own_setting_before_its_attributes() {
    let attributes = ("OTEL_RESOURCE_ATTRIBUTES", "service.name=b,deployment.environment.name=a%20b");
    let said = |pairs: &[(&str, &str)]| pairs.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect();
    let rest = ("deployment.environment.name", "a b");
    let of: Vec<(String, String)> = said(&[("service.name", "b"), rest]);
    assert_eq!(with_endpoint(&[attributes]).resource, of);
    let of: Vec<(String, String)> = said(&[("service.name", "c"), rest]);
    assert_eq!(with_endpoint(&[attributes, ("OTEL_SERVICE_NAME", "c")]).resource, of);
}

#[test]
fn headers_are_decoded_and_never_shown() {
    let settings =
        load(&[], &[WITH_ENDPOINT, ("OTEL_EXPORTER_OTLP_HEADERS", "Api-Key=canary%3D1,b=2")]).unwrap();
    assert!(!format!("{settings:?}").contains("canary"));
    let headers = settings.otlp.unwrap().headers;
    assert_eq!((headers[0].0.as_str(), headers[0].1.to_str().unwrap()), ("api-key", "canary=1"));
    assert!(!format!("{headers:?}").contains("canary"));
}

#[test]
fn an_error_names_its_setting_and_no_secret() {
    for (name, value) in [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "otlp:4317"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://user:canary@otlp"),
        ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://otlp/v1/traces"),
        ("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "ftp://otlp"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "canary"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "a b=canary"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "a=canary%0A"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "a-bin=canary"),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "soon"),
        ("OTEL_EXPORTER_OTLP_CERTIFICATE", "/nowhere"),
        ("OTEL_RESOURCE_ATTRIBUTES", "a"),
        ("OTEL_RESOURCE_ATTRIBUTES", "a=%4"),
        ("OTEL_SDK_DISABLED", "perhaps"),
        ("OTEL_TRACES_EXPORTER", "jaeger"),
        ("OTEL_METRICS_EXPORTER", "prometheus"),
        ("OTEL_TRACES_SAMPLER", "sometimes"),
        ("OTEL_TRACES_SAMPLER_ARG", "1.5"),
        ("OTEL_METRIC_EXPORT_INTERVAL", "0"),
        ("OTEL_BSP_MAX_QUEUE_SIZE", "0"),
        ("OTEL_BSP_SCHEDULE_DELAY", "-1"),
    ] {
        let error = load(&[], &[(name, value)]).unwrap_err();
        assert_eq!(error.0.len(), 1, "{name}={value}: {error}");
        let text = error.to_string();
        assert!(text.contains(name), "{name}={value}: {text}");
        assert!(name.ends_with("ENDPOINT") || !text.contains("canary"), "{text}");
    }
    let both = [("OTEL_TRACES_SAMPLER", "sometimes"), ("OTEL_TRACES_SAMPLER_ARG", "1.5")];
    assert_eq!(load(&[], &both).unwrap_err().0.len(), 2, "one mistake hides no other");
}
