//! Validity of refresh tokens, by a clock that the test moves.

use std::time::Duration;

use latchkey_core::error::{ManagementError, RequestError};
use latchkey_core::reason::Reason;
use latchkey_core::token::refresh::REUSE_GRACE;

use crate::database::TestDatabase;
use crate::harness::Harness;

on_both!(
    the_token_that_was_spent_last_gets_its_successor_for_ten_seconds,
    a_token_whose_successor_is_spent_ends_the_family,
    nothing_is_renewed_after_the_familys_end,
);

const MILLISECOND: Duration = Duration::from_millis(1);

fn refused<T: std::fmt::Debug>(answer: Result<T, ManagementError>) {
    let failure = answer.unwrap_err();
    assert!(matches!(failure, ManagementError::Request(RequestError::Unauthenticated(_))), "{failure:?}");
}

async fn the_token_that_was_spent_last_gets_its_successor_for_ten_seconds(database: TestDatabase) {
    let harness = Harness::new(database, "EdDSA").await;
    let (_, key) = harness.key().await;
    let first = harness.issue(&key).await;
    let second = harness.renew(&first.refresh).await.unwrap();
    harness.clock.move_on(REUSE_GRACE);
    let again = harness.renew(&first.refresh).await.unwrap();
    assert_eq!(again.refresh.reveal(), second.refresh.reveal());
    assert_eq!(harness.denied(again.access.reveal()).await, None);
    harness.clock.move_on(MILLISECOND);
    refused(harness.renew(&first.refresh).await);
    for issued in [&first, &second, &again] {
        assert_eq!(harness.denied(issued.access.reveal()).await, Some(Reason::Revoked));
    }
    refused(harness.renew(&second.refresh).await);
    let (action, target) = harness.audited().await.swap_remove(0);
    assert!(action == "token.reuse" && target.starts_with("fam_"), "{action} {target}");
}

async fn a_token_whose_successor_is_spent_ends_the_family(database: TestDatabase) {
    let harness = Harness::new(database, "EdDSA").await;
    let (_, key) = harness.key().await;
    let (first, other) = (harness.issue(&key).await, harness.issue(&key).await);
    let second = harness.renew(&first.refresh).await.unwrap();
    let third = harness.renew(&second.refresh).await.unwrap();
    let again = harness.renew(&second.refresh).await.unwrap();
    assert_eq!(again.refresh.reveal(), third.refresh.reveal());
    refused(harness.renew(&first.refresh).await);
    assert_eq!(harness.denied(third.access.reveal()).await, Some(Reason::Revoked));
    refused(harness.renew(&third.refresh).await);
    assert_eq!(harness.denied(other.access.reveal()).await, None, "another family is unaffected");
    assert!(harness.renew(&other.refresh).await.is_ok());
    assert!(harness.audited().await.iter().any(|(action, _)| action == "token.reuse"));
}

async fn nothing_is_renewed_after_the_familys_end(database: TestDatabase) {
    let harness = Harness::new(database, "EdDSA").await;
    let (_, key) = harness.key().await;
    let first = harness.issue(&key).await;
    let minute = Duration::from_secs(60);
    harness.clock.move_on(first.refresh_ttl.saturating_sub(minute));
    let last = harness.renew(&first.refresh).await.unwrap();
    assert_eq!((last.ttl, last.refresh_ttl), (minute, minute), "a family's tokens end with it");
    harness.clock.move_on(minute);
    refused(harness.renew(&last.refresh).await);
    assert_eq!(harness.denied(last.access.reveal()).await, None, "five seconds of leeway");
    harness.clock.move_on(Duration::from_secs(5));
    assert_eq!(harness.denied(last.access.reveal()).await, Some(Reason::Expired));
}
