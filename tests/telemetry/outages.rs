//! Collectors that are unavailable or hang, and contradictory settings: Checks are answered, and the loss is
//! counted.

use std::net::TcpListener;

use latchkey_proto::v1::Decision;
use latchkey_testing::{Ca, Folder, Latchkey, Setup, eventually, free_port};

use tonic::transport::Server;

use crate::Shop;
use crate::collector::{Collector, sending};
use crate::http_collector::HttpOptions;
use crate::scrape::Scrape;

const PROTOCOLS: [&str; 2] = ["grpc", "http/protobuf"];

/// Asserts that all calls are answered with a collector at this port, and that dropped spans are counted.
async fn checks_are_answered_and_spans_dropped(port: u16, protocol: &str) -> Shop {
    let setup = sending(Setup::default(), port).environment("OTEL_BSP_MAX_QUEUE_SIZE", "10");
    let setup = setup.environment("OTEL_EXPORTER_OTLP_TIMEOUT", "200");
    let setup = setup.environment("OTEL_EXPORTER_OTLP_PROTOCOL", protocol);
    let shop = Shop::open(setup).await;
    let (_, value) = shop.key("acme").await;
    for _ in 0..600 {
        assert_eq!(shop.check(&value, "GET").await.decision(), Decision::Allow);
    }
    eventually("the loss is counted", || {
        let scrape = Scrape::of(&shop.latchkey);
        assert_eq!(scrape.count("latchkey_spans_sent_total", &[]), 0);
        (scrape.count("latchkey_spans_dropped_total", &[]) > 0).then_some(())
    });
    shop
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_is_away_costs_checks_nothing() {
    for protocol in PROTOCOLS {
        let shop = checks_are_answered_and_spans_dropped(free_port(), protocol).await;
        eventually("sending fails", || {
            let failed = [("signal", "metrics"), ("outcome", "error")];
            (Scrape::of(&shop.latchkey).count("latchkey_otlp_exports_total", &failed) > 0).then_some(())
        });
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_hangs_costs_checks_nothing() {
    // The collector accepts connections, and never responds.
    let hung = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = hung.local_addr().expect("a bound port").port();
    for protocol in PROTOCOLS {
        let _ = checks_are_answered_and_spans_dropped(port, protocol).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_span_is_sent_or_counted_as_dropped() {
    let collector = Collector::start().await;
    let setup = collector.of(Setup::default()).environment("OTEL_BSP_MAX_QUEUE_SIZE", "2");
    let shop = Shop::open(setup).await;
    for _ in 0..500 {
        let _ = shop.check("", "GET").await;
    }
    eventually("all are counted", || {
        let scrape = Scrape::of(&shop.latchkey);
        let sent = scrape.count("latchkey_spans_sent_total", &[]);
        let dropped = scrape.count("latchkey_spans_dropped_total", &[]);
        (sent + dropped == 500 && usize::try_from(sent) == Ok(collector.look(|taken| taken.spans.len())))
            .then_some(())
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn spans_that_a_collector_rejects_are_counted_as_dropped() {
    let over_grpc = Collector::rejecting(Server::builder(), 2).await;
    let over_http = Collector::http(&HttpOptions { rejected: 2, ..HttpOptions::default() });
    for (collector, protocol) in [(over_grpc, "grpc"), (over_http, "http/protobuf")] {
        let setup = collector.of(Setup::default()).environment("OTEL_EXPORTER_OTLP_PROTOCOL", protocol);
        let setup = setup.environment("OTEL_BSP_SCHEDULE_DELAY", "2000");
        let shop = Shop::open(setup.environment("OTEL_BSP_MAX_QUEUE_SIZE", "5")).await;
        for _ in 0..5 {
            let _ = shop.check("", "GET").await;
        }
        eventually("all are counted", || {
            let scrape = Scrape::of(&shop.latchkey);
            let exports = [("signal", "traces"), ("outcome", "ok")];
            let exports = scrape.count("latchkey_otlp_exports_total", &exports);
            let dropped = scrape.count("latchkey_spans_dropped_total", &[]);
            let sent = scrape.count("latchkey_spans_sent_total", &[]);
            let counted = exports > 0 && dropped > 0 && dropped <= 2 * exports;
            (sent + dropped == 5 && counted).then_some(())
        });
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_over_tls_is_trusted_by_its_own_ca_alone() {
    let (folder, ca, other) = (Folder::new("collector"), Ca::new(), Ca::new());
    let collector = Collector::tls(&ca.issue(&["localhost", "127.0.0.1"])).await;
    let start = |name: &str, ca: &Ca| {
        let setup = sending(Setup::default(), collector.port);
        let ca = folder.write(name, ca.pem()).display().to_string();
        setup
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

#[test]
fn a_setting_with_an_impossible_value_prevents_the_start() {
    for (name, value) in [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4317"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json"),
        ("OTEL_TRACES_SAMPLER", "sometimes"),
    ] {
        let latchkey = Setup::default().environment(name, value).launch();
        assert!(!latchkey.wait().success(), "{name}");
        assert!(latchkey.log().contains(name), "{name}: {}", latchkey.log());
    }
}
