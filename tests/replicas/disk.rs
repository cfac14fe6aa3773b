//! A disk that is full: nothing is written, half of nothing is; what is remembered and what can be read goes on being
//! answered; and when there is room again, so do writes. On a small disk of its own, which only root can mount.

use latchkey_proto::v1::{ListKeysRequest, RevokeKeyRequest};
use latchkey_testing::{Disk, Setup, key};
use tonic::Code;

use crate::town::{PROFILE, allows, ask};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_refuses_writes_whole_and_lets_checks_go_on() {
    let disk = Disk::of(8 * 1024);
    let database = format!("sqlite://{}/latchkey.db?mode=rwc", disk.path().display());
    let latchkey = Setup::default().database(&database).profile("town", PROFILE).start();
    let operator = latchkey.operator();
    let _ = operator.tenant("acme", "town", "").await;
    let (first, value) = operator.plain_key("acme", "live").await;
    assert_eq!(allows(&operator, ask(&value)).await, Ok(true));
    disk.fill();
    let mut made = 1;
    let status = loop {
        match operator.try_key(key("acme", "live")).await {
            Ok(_) => made += 1,
            Err(status) => break status,
        }
        assert!(made < 5_000, "the disk is full");
    };
    assert_eq!(status.code(), Code::Unavailable, "{status:?}");
    let revoke = RevokeKeyRequest { id: first.id.clone(), reason: String::new() };
    let revoked = operator.keys().revoke_key(revoke).await;
    assert_eq!(revoked.expect_err("its audit event has no room").code(), Code::Unavailable);
    assert_eq!(allows(&operator, ask(&value)).await, Ok(true), "what was not written did not happen");
    let count = async || {
        let ask =
            ListKeysRequest { tenant: "acme".to_owned(), page_size: 1_000, ..ListKeysRequest::default() };
        operator.keys().list_keys(ask).await.expect("keys can be read").into_inner().keys.len()
    };
    assert_eq!(count().await, made, "what was refused is not there");
    disk.empty();
    let mut patience = 0;
    while let Err(status) = operator.try_key(key("acme", "live")).await {
        assert_eq!(status.code(), Code::Unavailable, "{status:?}");
        patience += 1;
        assert!(patience < 100, "there is room again");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    assert_eq!(count().await, made + 1);
    let _ = operator.revoke(&first.id).await;
    assert_eq!(allows(&operator, ask(&value)).await, Ok(false));
}
