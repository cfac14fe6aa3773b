//! Certificates that change under load: no call fails, new connections get the new certificate, and a broken
//! pair changes nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use latchkey_proto::v1;
use latchkey_proto::v1::check_service_client::CheckServiceClient;
use latchkey_testing::{Ca, Signal, eventually};

use crate::fixture::Fixture;

/// Returns true if a new connection that trusts this CA gets a response.
async fn answers(fixture: &Fixture, ca: &Ca) -> bool {
    let mut checks = CheckServiceClient::new(Fixture::channel(fixture.latchkey.grpc(), ca, None));
    checks.check(v1::CheckRequest::default()).await.is_ok()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_pair_is_used_under_load_and_a_broken_one_is_reported() {
    let fixture = Fixture::start(false, |setup, _| setup);
    let (over, done, failed) =
        (Arc::<AtomicBool>::default(), Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default());
    let load = {
        let mut checks =
            CheckServiceClient::new(Fixture::channel(fixture.latchkey.grpc(), &fixture.ca, None));
        let (over, done, failed) = (over.clone(), done.clone(), failed.clone());
        tokio::spawn(async move {
            while !over.load(Ordering::SeqCst) {
                let count =
                    if checks.check(v1::CheckRequest::default()).await.is_ok() { &done } else { &failed };
                count.fetch_add(1, Ordering::SeqCst);
            }
        })
    };
    let other = Ca::new();
    let pair = other.issue(&["localhost"]);
    // First only half of the pair is replaced, as it is for a moment when two files are copied one after the
    // other.
    let _ = fixture.folder.write("cert.pem", &pair.cert);
    fixture.latchkey.signal(Signal::HUP);
    tokio::task::block_in_place(|| {
        eventually("the broken pair is reported", || {
            fixture.latchkey.log().contains("the previous ones stay in force").then_some(())
        });
    });
    assert!(fixture.latchkey.log().contains("tls_key ("), "with the setting's name");
    assert!(answers(&fixture, &fixture.ca).await, "the one before is kept");
    let _ = fixture.folder.write("key.pem", &pair.key);
    // Without a signal, the change is detected.
    tokio::task::block_in_place(|| {
        eventually("the new pair is taken over", || {
            fixture.latchkey.log().contains("were read again").then_some(())
        });
    });
    assert!(answers(&fixture, &other).await && !answers(&fixture, &fixture.ca).await);
    let before = done.load(Ordering::SeqCst);
    tokio::task::block_in_place(|| {
        eventually("calls go on", || (done.load(Ordering::SeqCst) > before).then_some(()));
    });
    over.store(true, Ordering::SeqCst);
    load.await.unwrap();
    assert_eq!(failed.load(Ordering::SeqCst), 0, "of {}", done.load(Ordering::SeqCst));
}

#[test]
fn an_expired_certificate_is_reported_when_it_is_read() {
    let fixture = Fixture::start(false, |setup, _| setup);
    let pair = fixture.ca.expired(&["localhost"]);
    let _ = fixture.folder.write("key.pem", &pair.key);
    let _ = fixture.folder.write("cert.pem", &pair.cert);
    eventually("a warning", || {
        let log = fixture.latchkey.log();
        log.lines().any(|line| line.contains("WARN") && line.contains("has expired")).then_some(())
    });
}
