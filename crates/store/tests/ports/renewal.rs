//! Which refresh token is worth what, by a clock that is moved.

use std::time::Duration;

use latchkey_core::reason::Reason;
use latchkey_core::token::refresh::GRACE;
use latchkey_core::trouble::{Failure, Refusal};

use crate::desk::Desk;
use crate::place::Place;

on_both!(
    the_token_that_was_spent_last_gets_its_successor_for_ten_seconds,
    a_token_whose_successor_is_spent_ends_the_family,
    nothing_is_renewed_after_the_familys_end,
);

const MILLISECOND: Duration = Duration::from_millis(1);

fn refused<T: std::fmt::Debug>(answer: Result<T, Failure>) {
    let failure = answer.unwrap_err();
    assert!(matches!(failure, Failure::Refused(Refusal::Unauthenticated(_))), "{failure:?}");
}

async fn the_token_that_was_spent_last_gets_its_successor_for_ten_seconds(place: Place) {
    let desk = Desk::new(place, "EdDSA").await;
    let (_, key) = desk.key().await;
    let first = desk.issue(&key).await;
    let second = desk.renew(&first.refresh).await.unwrap();
    desk.clock.move_on(GRACE);
    let again = desk.renew(&first.refresh).await.unwrap();
    assert_eq!(again.refresh.reveal(), second.refresh.reveal());
    assert_eq!(desk.denied(again.access.reveal()).await, None);
    desk.clock.move_on(MILLISECOND);
    refused(desk.renew(&first.refresh).await);
    for issued in [&first, &second, &again] {
        assert_eq!(desk.denied(issued.access.reveal()).await, Some(Reason::Revoked));
    }
    refused(desk.renew(&second.refresh).await);
    let (action, target) = desk.audited().await.swap_remove(0);
    assert!(action == "token.reuse" && target.starts_with("fam_"), "{action} {target}");
}

async fn a_token_whose_successor_is_spent_ends_the_family(place: Place) {
    let desk = Desk::new(place, "EdDSA").await;
    let (_, key) = desk.key().await;
    let (first, other) = (desk.issue(&key).await, desk.issue(&key).await);
    let second = desk.renew(&first.refresh).await.unwrap();
    let third = desk.renew(&second.refresh).await.unwrap();
    let again = desk.renew(&second.refresh).await.unwrap();
    assert_eq!(again.refresh.reveal(), third.refresh.reveal());
    refused(desk.renew(&first.refresh).await);
    assert_eq!(desk.denied(third.access.reveal()).await, Some(Reason::Revoked));
    refused(desk.renew(&third.refresh).await);
    assert_eq!(desk.denied(other.access.reveal()).await, None, "another family lives");
    assert!(desk.renew(&other.refresh).await.is_ok());
    assert!(desk.audited().await.iter().any(|(action, _)| action == "token.reuse"));
}

async fn nothing_is_renewed_after_the_familys_end(place: Place) {
    let desk = Desk::new(place, "EdDSA").await;
    let (_, key) = desk.key().await;
    let first = desk.issue(&key).await;
    let minute = Duration::from_secs(60);
    desk.clock.move_on(first.refresh_ttl.saturating_sub(minute));
    let last = desk.renew(&first.refresh).await.unwrap();
    assert_eq!((last.ttl, last.refresh_ttl), (minute, minute), "an end of a family is the end of its tokens");
    desk.clock.move_on(minute);
    refused(desk.renew(&last.refresh).await);
    assert_eq!(desk.denied(last.access.reveal()).await, None, "five seconds of leeway");
    desk.clock.move_on(Duration::from_secs(5));
    assert_eq!(desk.denied(last.access.reveal()).await, Some(Reason::Expired));
}
