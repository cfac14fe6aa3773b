//! OTLP over HTTP: the same spans and metrics as over gRPC, at the paths of the specification.

use std::collections::BTreeSet;

use latchkey_testing::{Ca, Folder, Latchkey, Setup, eventually};

use crate::Shop;
use crate::collector::{Collector, attributes_of, sending};
use crate::http_collector::HttpOptions;
use crate::scrape::Scrape;

/// Returns the settings of a server that exports to this collector over HTTP.
fn over_http(collector: &Collector) -> Setup {
    collector.of(Setup::default()).environment("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf")
}

/// Returns the paths of the received requests.
fn paths(collector: &Collector) -> BTreeSet<String> {
    collector.look(|taken| taken.requests.iter().map(|(path, _)| path.clone()).collect())
}

#[tokio::test(flavor = "multi_thread")]
async fn spans_and_metrics_arrive_over_http() {
    let collector = Collector::http(&HttpOptions::default());
    let setup = over_http(&collector)
        .environment("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=test")
        .environment("OTEL_EXPORTER_OTLP_HEADERS", "api-key=canary");
    let shop = Shop::open(setup).await;
    let (key, value) = shop.key("acme").await;
    let _ = shop.check(&value, "GET").await;
    let span = collector.spans(1).remove(0);
    assert_eq!((span.name.as_str(), span.kind), ("latchkey.check", 2));
    let attributes = attributes_of(&span.attributes);
    assert_eq!((&*attributes["latchkey.decision"], &*attributes["latchkey.subject.id"]), ("ALLOW", &*key.id));
    eventually("metrics arrive", || {
        collector.look(|taken| taken.metrics.contains_key("latchkey.checks").then_some(()))
    });
    assert_eq!(paths(&collector).iter().collect::<Vec<_>>(), ["/v1/metrics", "/v1/traces"]);
    collector.look(|taken| {
        assert!(
            taken.requests.iter().all(|(_, kind)| kind == "application/x-protobuf"),
            "{:?}",
            taken.requests
        );
        assert!(taken.keys.len() >= 2 && taken.keys.iter().all(|key| key == "canary"));
        for resource in &taken.resources {
            assert_eq!(
                (&*resource["service.name"], &*resource["deployment.environment.name"]),
                ("latchkey", "test")
            );
            assert!(resource.contains_key("service.version") && resource.contains_key("service.instance.id"));
        }
        assert!(!format!("{:?} {:?}", taken.spans, taken.metrics).contains(&value));
    });
    eventually("what was accepted is counted", || {
        let scrape = Scrape::of(&shop.latchkey);
        assert_eq!(scrape.count("latchkey_spans_dropped_total", &[]), 0);
        (scrape.count("latchkey_spans_sent_total", &[]) == 1).then_some(())
    });
    assert!(!shop.latchkey.log().contains("canary"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_path_is_kept_and_a_signals_own_address_is_used_as_it_is() {
    let collector = Collector::http(&HttpOptions::default());
    let base = format!("http://127.0.0.1:{}", collector.port);
    let setup = over_http(&collector)
        .environment("OTEL_EXPORTER_OTLP_ENDPOINT", &format!("{base}/otlp/"))
        .environment("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", &format!("{base}/mine"));
    let shop = Shop::open(setup).await;
    let _ = shop.check("", "GET").await;
    let _ = collector.spans(1);
    eventually("metrics arrive", || (collector.look(|taken| taken.rounds) > 0).then_some(()));
    assert_eq!(paths(&collector).iter().collect::<Vec<_>>(), ["/mine", "/otlp/v1/traces"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_is_retried_while_the_collector_is_unavailable() {
    let collector = Collector::http(&HttpOptions { unavailable: 2, ..HttpOptions::default() });
    let shop = Shop::open(over_http(&collector)).await;
    let _ = shop.check("", "GET").await;
    let _ = collector.spans(1);
    eventually("it is counted", || {
        let scrape = Scrape::of(&shop.latchkey);
        assert_eq!(scrape.count("latchkey_spans_dropped_total", &[]), 0);
        (scrape.count("latchkey_spans_sent_total", &[]) == 1).then_some(())
    });
    let traces = |(path, _): &&(String, String)| path == "/v1/traces";
    assert_eq!(collector.look(|taken| taken.requests.iter().filter(traces).count()), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_over_https_is_trusted_by_its_own_ca_alone() {
    let (folder, ca, other) = (Folder::new("https-collector"), Ca::new(), Ca::new());
    let tls = Some(ca.issue(&["localhost", "127.0.0.1"]));
    let collector = Collector::http(&HttpOptions { tls, ..HttpOptions::default() });
    let start = |name: &str, ca: &Ca| {
        let ca = folder.write(name, ca.pem()).display().to_string();
        sending(Setup::default(), collector.port)
            .environment("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf")
            .environment("OTEL_EXPORTER_OTLP_ENDPOINT", &format!("https://localhost:{}", collector.port))
            .environment("OTEL_EXPORTER_OTLP_CERTIFICATE", &ca)
            .start()
    };
    let exports = |latchkey: &Latchkey, outcome: &str| {
        let labels = [("signal", "metrics"), ("outcome", outcome)];
        Scrape::of(latchkey).count("latchkey_otlp_exports_total", &labels)
    };
    let stranger = start("other.pem", &other);
    eventually("it isn't trusted", || (exports(&stranger, "error") > 0).then_some(()));
    assert_eq!((exports(&stranger, "ok"), collector.look(|taken| taken.rounds)), (0, 0));
    let friend = start("ca.pem", &ca);
    eventually("it is trusted", || (exports(&friend, "ok") > 0).then_some(()));
    assert!(collector.look(|taken| taken.rounds) > 0);
}
