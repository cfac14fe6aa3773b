//! Traces and metrics as a collector receives them: spans that continue Envoy's trace and have the decision, and
//! never the credential.

use std::collections::BTreeMap;

use latchkey_proto::envoy::auth::attribute_context::{HttpRequest, Request as HttpPart};
use latchkey_proto::envoy::auth::{AttributeContext, CheckRequest};
use latchkey_testing::{Caller, Envoy, EnvoySetup, Request, Setup, Signal, call, eventually};
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value;
use opentelemetry_proto::tonic::trace::v1::{Span, Status};

use crate::Shop;
use crate::collector::{Collector, attributes_of};

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";

fn parent(span: &str, flags: &str) -> String {
    format!("00-{TRACE}-{span}-{flags}")
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
}

/// Returns Envoy's Check of a GET of `/v1/items`, with a query.
fn question(headers: &[(&str, &str)]) -> CheckRequest {
    let http = HttpRequest {
        method: "GET".to_owned(),
        path: "/v1/items?token=canary".to_owned(),
        headers: headers.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect(),
        ..HttpRequest::default()
    };
    let request = Some(HttpPart { http: Some(http), time: None });
    CheckRequest { attributes: Some(AttributeContext { request, ..AttributeContext::default() }) }
}

fn by_parent(spans: &[Span]) -> BTreeMap<String, &Span> {
    spans.iter().map(|span| (hex(&span.parent_span_id), span)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_is_a_span_of_its_callers_trace() {
    let collector = Collector::start().await;
    let shop = Shop::open(collector.of(Setup::default())).await;
    let (key, value) = shop.key("acme").await;
    let port = shop.latchkey.grpc();
    let sent = parent("b7ad6b7169203331", "01");
    let header = [("x-api-key", &*value), ("traceparent", &sent), ("x-request-id", "e-1")];
    let _ = Caller::sending(port, &[]).envoy().check(question(&header)).await.expect("an answer");
    // The metadata of the call is Envoy's own, and takes precedence over the client's headers.
    let own = parent("00f067aa0ba902b7", "01");
    let metadata = [("traceparent", &*own), ("tracestate", "a=1")];
    let _ = Caller::sending(port, &metadata).envoy().check(question(&header)).await.expect("an answer");
    let unsampled = parent("1111111111111111", "00");
    let denied = [("x-api-key", "canary"), ("traceparent", &unsampled)];
    let _ = Caller::sending(port, &[]).envoy().check(question(&denied)).await.expect("an answer");
    let native = Caller::sending(port, &[("traceparent", &parent("2222222222222222", "01"))]);
    let _ = native.check(call("", "POST")).await;

    let spans = collector.spans(3);
    let by_parent = by_parent(&spans);
    assert_eq!(
        by_parent.keys().collect::<Vec<_>>(),
        ["00f067aa0ba902b7", "2222222222222222", "b7ad6b7169203331"]
    );
    for span in &spans {
        assert_eq!((hex(&span.trace_id), span.name.as_str(), span.kind), (TRACE.into(), "latchkey.check", 2));
        assert!(span.end_time_unix_nano >= span.start_time_unix_nano && span.span_id.len() == 8);
        assert!(span.start_time_unix_nano > 1_700_000_000_000_000_000);
        assert_eq!(span.status.clone().unwrap_or_default(), Status::default(), "it is not set");
    }
    let output = attributes_of(&by_parent["b7ad6b7169203331"].attributes);
    for (name, value) in [
        ("latchkey.entrypoint", "ext_authz"),
        ("latchkey.decision", "ALLOW"),
        ("latchkey.reason", "OK"),
        ("latchkey.source", "database"),
        ("latchkey.profile", "shop"),
        ("latchkey.tenant", "acme"),
        ("latchkey.route", "/v1/items"),
        ("latchkey.environment", "live"),
        ("latchkey.subject.type", "key"),
        ("latchkey.subject.id", &key.id),
        ("latchkey.envoy_request_id", "e-1"),
        ("http.request.method", "GET"),
        ("http.route", "/v1/items"),
        ("rpc.method", "envoy.service.auth.v3.Authorization/Check"),
    ] {
        assert_eq!(output.get(name).map(String::as_str), Some(value), "{name} of {output:?}");
    }
    assert!(output.contains_key("latchkey.request_id"));
    let own = by_parent["00f067aa0ba902b7"];
    assert_eq!(
        (attributes_of(&own.attributes)["latchkey.source"].as_str(), &*own.trace_state),
        ("cache", "a=1")
    );
    let denied = attributes_of(&by_parent["2222222222222222"].attributes);
    assert_eq!((&*denied["latchkey.decision"], &*denied["latchkey.reason"]), ("DENY", "MISSING_CREDENTIAL"));
    collector.look(|taken| {
        let all = format!("{:?} {:?}", taken.spans, taken.metrics);
        assert!(!all.contains(&value) && !all.contains("canary"), "credentials are not exported");
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn one_trace_goes_from_envoy_through_the_check() {
    let collector = Collector::start().await;
    let shop = Shop::open(collector.of(Setup::default())).await;
    let (_, value) = shop.key("acme").await;
    let setup = EnvoySetup { tracing: Some(collector.port), ..EnvoySetup::default() };
    let envoy = Envoy::start(shop.latchkey.grpc(), &setup);
    let answer = envoy.send(&Request::get("shop.test", "/v1/items").header("x-api-key", &value));
    assert_eq!(answer.status, 200);
    let check = collector.spans(1).remove(0);
    // Envoy sends its own some seconds later.
    let fronts = eventually("Envoy's spans arrive", || {
        let fronts = collector.look(|taken| {
            let fronts = taken.spans.iter().filter(|(service, _)| service == "front");
            fronts.map(|(_, span)| span.clone()).collect::<Vec<_>>()
        });
        fronts.iter().any(|span| span.span_id == check.parent_span_id).then_some(fronts)
    });
    assert!(fronts.iter().all(|span| span.trace_id == check.trace_id), "one trace");
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_arrive_as_they_stand_at_the_page() {
    let collector = Collector::start().await;
    let setup = collector.of(Setup::default());
    let setup = setup
        .environment("OTEL_SERVICE_NAME", "gate")
        .environment("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=test")
        .environment("OTEL_EXPORTER_OTLP_HEADERS", "api-key=canary");
    let shop = Shop::open(setup).await;
    let (_, value) = shop.key("acme").await;
    for _ in 0..5 {
        let _ = shop.check(&value, "GET").await;
    }
    let count = || {
        collector.look(|taken| {
            let Some(Data::Sum(sum)) = &taken.metrics.get("latchkey.checks")?.data else { return None };
            let allowed =
                sum.data_points.iter().filter(|p| attributes_of(&p.attributes)["latchkey.reason"] == "OK");
            Some(allowed.map(|p| if let Some(Value::AsInt(n)) = p.value { n } else { 0 }).sum::<i64>())
        })
    };
    eventually("the counts arrive", || (count() == Some(5)).then_some(()));
    collector.look(|taken| {
        for name in [
            "latchkey.check.duration",
            "latchkey.feed.lag",
            "process.cpu.time",
            "latchkey.cache.lookups",
            "db.client.operation.duration",
            "latchkey.connection.count",
        ] {
            assert!(taken.metrics.contains_key(name), "{name}");
        }
        let resource = &taken.resources[0];
        assert_eq!((&*resource["service.name"], &*resource["deployment.environment.name"]), ("gate", "test"));
        assert!(resource.contains_key("service.version") && resource.contains_key("service.instance.id"));
        assert!(!taken.keys.is_empty() && taken.keys.iter().all(|key| key == "canary"));
    });
    assert!(!shop.latchkey.log().contains("canary"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_that_is_not_sampled_is_not_exported() {
    let collector = Collector::start().await;
    let setup = collector.of(Setup::default()).environment("OTEL_TRACES_SAMPLER_ARG", "0");
    let setup = setup.environment("OTEL_TRACES_SAMPLER", "parentbased_traceidratio");
    let shop = Shop::open(setup).await;
    let (_, value) = shop.key("acme").await;
    for _ in 0..50 {
        let _ = shop.check(&value, "GET").await;
    }
    let unsampled =
        Caller::sending(shop.latchkey.grpc(), &[("traceparent", &parent("1111111111111111", "00"))]);
    let _ = unsampled.check(call(&value, "GET")).await;
    // A sampled one, which shows that the others would have arrived by now.
    let sampled =
        Caller::sending(shop.latchkey.grpc(), &[("traceparent", &parent("2222222222222222", "01"))]);
    let _ = sampled.check(call(&value, "GET")).await;
    let spans = collector.spans(1);
    assert_eq!((spans.len(), hex(&spans[0].parent_span_id)), (1, "2222222222222222".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn spans_that_wait_are_exported_at_shutdown() {
    let collector = Collector::start().await;
    let setup = collector.of(Setup::default()).environment("OTEL_BSP_SCHEDULE_DELAY", "600000");
    let setup = setup.environment("LATCHKEY_SHUTDOWN_DELAY", "0s");
    let shop = Shop::open(setup).await;
    for _ in 0..3 {
        let _ = shop.check("", "GET").await;
    }
    assert_eq!(collector.look(|taken| taken.spans.len()), 0);
    shop.latchkey.signal(Signal::TERM);
    assert!(shop.latchkey.wait().success());
    assert_eq!(collector.spans(3).len(), 3);
}
