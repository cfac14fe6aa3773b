//! Collectors that are away or hang, and settings that can't be meant: Checks are answered, and the loss is counted.

use std::net::TcpListener;

use latchkey_proto::v1::Decision;
use latchkey_testing::{Ca, Folder, Latchkey, Setup, eventually, free_port};

use crate::Shop;
use crate::collector::{Collector, sending};
use crate::scrape::Scrape;

/// All calls are answered with a collector at this port, and spans that did not fit into the queue are counted.
async fn checks_are_answered_and_spans_dropped(port: u16) -> Shop {
    let setup = sending(Setup::default(), port).environment("OTEL_BSP_MAX_QUEUE_SIZE", "10");
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
    let shop = checks_are_answered_and_spans_dropped(free_port()).await;
    eventually("sending fails", || {
        let failed = [("signal", "metrics"), ("outcome", "error")];
        (Scrape::of(&shop.latchkey).count("latchkey_otlp_exports_total", &failed) > 0).then_some(())
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_hangs_costs_checks_nothing() {
    // It takes connections, and never says a word.
    let hung = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = hung.local_addr().expect("a bound port").port();
    let _ = checks_are_answered_and_spans_dropped(port).await;
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
            .environment("OTEL_EXPORTER_OTLP_TIMEOUT", "5000")
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
fn a_setting_that_cannot_be_meant_is_told_at_the_start() {
    for (name, value) in [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4317"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf"),
        ("OTEL_TRACES_SAMPLER", "sometimes"),
    ] {
        let latchkey = Setup::default().environment(name, value).launch();
        assert!(!latchkey.wait().success(), "{name}");
        assert!(latchkey.log().contains(name), "{name}: {}", latchkey.log());
    }
}
