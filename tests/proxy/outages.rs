//! Behaviour while Latchkey cannot be reached, and that a revoked key is never admitted again.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use latchkey_testing::{Echo, Envoy, EnvoySetup, Request, Setup, both_ways, eventually, free_port};

use crate::{ProxyFixture, get};

both_ways!(
    no_request_is_admitted_once_a_revocation_has_returned,
    a_suspended_tenant_is_out_at_once,
    latchkey_comes_back_without_a_restart_of_the_proxy,
);

/// Sends requests in a loop until 25 were sent after `done`; returns how many of these were admitted.
fn send_repeatedly(request: &Request, port: u16, done: &AtomicBool, before: &AtomicUsize) -> usize {
    let (mut wrong, mut after) = (0, 0);
    while after < 25 {
        let revoked = done.load(Ordering::SeqCst);
        let admitted = request.send(port).status == 200;
        if revoked {
            after += 1;
            wrong += usize::from(admitted);
        } else {
            before.fetch_add(usize::from(admitted), Ordering::SeqCst);
        }
    }
    wrong
}

async fn no_request_is_admitted_once_a_revocation_has_returned(raw: bool) {
    let fixture = ProxyFixture::open(raw).await;
    let (key, value) = fixture.operator.plain_key("acme", "live").await;
    let (done, before) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let request = get("/v1/items/1").header("x-api-key", &value);
    let clients: Vec<_> = (0..4)
        .map(|_| {
            let (request, done, before) = (request.clone(), Arc::clone(&done), Arc::clone(&before));
            let port = fixture.envoy.port();
            std::thread::spawn(move || send_repeatedly(&request, port, &done, &before))
        })
        .collect();
    eventually("the key is in use", || (before.load(Ordering::SeqCst) > 20).then_some(()));
    let _ = fixture.operator.revoke(&key.id).await;
    done.store(true, Ordering::SeqCst);
    let wrong: usize = clients.into_iter().map(|client| client.join().expect("a client ends")).sum();
    assert_eq!(wrong, 0, "admitted after RevokeKey had returned");
}

async fn a_suspended_tenant_is_out_at_once(raw: bool) {
    let fixture = ProxyFixture::open(raw).await;
    let value = fixture.value().await;
    let _ = Echo::of(&fixture.get("/v1/items/1", &value));
    let ask =
        latchkey_proto::v1::SuspendTenantRequest { tenant: "acme".to_owned(), reason: "unpaid".to_owned() };
    fixture.operator.tenants().suspend_tenant(ask).await.expect("suspended");
    assert_eq!(fixture.get("/v1/items/1", &value).status, 403);
    let ask = latchkey_proto::v1::ResumeTenantRequest { tenant: "acme".to_owned() };
    fixture.operator.tenants().resume_tenant(ask).await.expect("resumed");
    let _ = Echo::of(&fixture.get("/v1/items/1", &value));
}

async fn latchkey_comes_back_without_a_restart_of_the_proxy(raw: bool) {
    let fixture = ProxyFixture::open(raw).await;
    let value = fixture.value().await;
    let _ = Echo::of(&fixture.get("/v1/items/1", &value));
    fixture.latchkey.kill();
    assert_eq!(fixture.get("/v1/items/1", &value).status, 403);
    fixture.latchkey.restart();
    eventually("the proxy reaches it again", || {
        (fixture.get("/v1/items/1", &value).status == 200).then_some(())
    });
}

#[test]
fn a_proxy_that_may_fail_open_does_so_for_an_outage_alone() {
    let setup = EnvoySetup { failure_mode_allow: true, ..EnvoySetup::default() };
    let nobody = Envoy::start(free_port(), &setup);
    assert_eq!(nobody.send(&get("/v1/items/1")).status, 200, "the owner of the proxy said so");
    let latchkey = Setup::default().profile("gate", crate::GATE).start();
    let envoy = Envoy::start(latchkey.grpc(), &setup);
    assert_eq!(envoy.send(&get("/v1/items/1")).status, 401, "a denial is no outage");
}
