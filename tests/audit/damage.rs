//! Edits of the log in the database are found and located: by the hash chain, by the log's head, and, if both
//! were rewritten consistently, by anchors that are stored elsewhere.

use latchkey_proto::v1::{AuditAnchor, VerifyAuditLogRequest, VerifyAuditLogResponse};
use latchkey_testing::{eventually_async, on_both};

use crate::{ANCHORS, Shop};

on_both!(
    crate::Shop::open;
    an_event_that_was_changed_is_found,
    an_event_that_was_deleted_is_found_also_where_the_gap_was_closed,
    events_that_changed_places_are_found,
    a_log_that_was_cut_off_is_found,
    a_log_that_was_cut_off_with_its_head_is_found_by_the_anchor,
    a_rewritten_log_is_found_by_the_anchor,
    rows_outside_of_the_log_are_found_and_never_listed,
    a_row_directly_behind_the_head_stops_writes_and_is_named,
);

/// Copies an event to another sequence number.
fn forge(shop: &Shop, sequence: &str) {
    let rest = "tenant_id, actor, action, target, request_id, details, hash";
    let _ = shop.latchkey.sql(&format!(
        "INSERT INTO audit_events (sequence, time, {rest}) \
         SELECT {sequence}, time, {rest} FROM audit_events WHERE sequence = 2"
    ));
}

/// Returns the result of a verification by the server's own anchors alone.
async fn found(shop: &Shop) -> VerifyAuditLogResponse {
    shop.verify(VerifyAuditLogRequest::default()).await
}

async fn broken_at(shop: &Shop) -> u64 {
    let state = found(shop).await;
    assert!(!state.intact && !state.problem.is_empty(), "{state:?}");
    state.broken_at
}

/// Waits until the end of the log is anchored, and returns the anchor.
async fn anchored(shop: &Shop) -> AuditAnchor {
    let file = shop.latchkey.folder().path().join(ANCHORS);
    eventually_async("the end is anchored", async || {
        let state = found(shop).await;
        assert!(state.intact, "{state:?}");
        let head = state.head.expect("the head is returned");
        let text = std::fs::read_to_string(&file).unwrap_or_default();
        text.lines().any(|anchor| anchor.starts_with(&format!("{} ", head.sequence))).then_some(head)
    })
    .await
}

/// Returns the number of the first anchored event that is later than `last`.
fn first_anchor(shop: &Shop, last: u64) -> u64 {
    let text = std::fs::read_to_string(shop.latchkey.folder().path().join(ANCHORS)).expect("anchors");
    let numbers = text.lines().filter_map(|line| line.split(' ').next()?.parse().ok());
    numbers.filter(|number| *number > last).min().expect("an anchor")
}

async fn rows_outside_of_the_log_are_found_and_never_listed(shop: Shop) {
    let head = anchored(&shop).await.sequence;
    let whole: Vec<u64> = shop.events().await.iter().map(|event| event.sequence).collect();
    for (sequence, at) in [("0".to_owned(), 0), ("-3".to_owned(), 0), ((head + 7).to_string(), head + 7)] {
        forge(&shop, &sequence);
        let state = found(&shop).await;
        assert!(!state.intact && state.broken_at == at && state.events == head, "{sequence}: {state:?}");
        assert!(state.problem.contains("outside") && state.problem.contains(&sequence), "{}", state.problem);
        let listed: Vec<u64> = shop.events().await.iter().map(|event| event.sequence).collect();
        assert_eq!(listed, whole, "{sequence}");
        let _ = shop.latchkey.sql(&format!("DELETE FROM audit_events WHERE sequence = {sequence}"));
        assert!(found(&shop).await.intact, "{sequence}");
    }
    forge(&shop, "0");
    forge(&shop, &(head + 7).to_string());
    assert!(found(&shop).await.problem.starts_with("2 rows are outside"));
}

async fn a_row_directly_behind_the_head_stops_writes_and_is_named(shop: Shop) {
    let head = anchored(&shop).await.sequence;
    forge(&shop, &(head + 1).to_string());
    let refused = shop.operator.try_key(latchkey_testing::key("acme", "live")).await.expect_err("refused");
    assert_eq!(refused.code(), tonic::Code::FailedPrecondition, "{refused:?}");
    assert!(refused.message().contains(&(head + 1).to_string()), "{}", refused.message());
    assert_eq!(broken_at(&shop).await, head + 1);
    let _ = shop.latchkey.sql(&format!("DELETE FROM audit_events WHERE sequence = {}", head + 1));
    let _ = shop.operator.plain_key("acme", "live").await;
    assert!(found(&shop).await.intact);
}

async fn an_event_that_was_changed_is_found(shop: Shop) {
    let head = anchored(&shop).await.sequence;
    for (column, value) in [("actor", "'key_x'"), ("action", "'key.list'"), ("time", "time - 1")] {
        let sql = |to: &str| format!("UPDATE audit_events SET {column} = {to} WHERE sequence = 3");
        let _ = shop.latchkey.sql("CREATE TABLE kept AS SELECT * FROM audit_events WHERE sequence = 3");
        let _ = shop.latchkey.sql(&sql(value));
        assert_eq!(broken_at(&shop).await, 3, "{column}");
        let back = sql(&format!("(SELECT {column} FROM kept)"));
        let _ = shop.latchkey.sql(&format!("{back}; DROP TABLE kept"));
        let state = found(&shop).await;
        assert!(state.intact && state.broken_at == 0 && state.events == head, "{column}: {state:?}");
    }
}

async fn an_event_that_was_deleted_is_found_also_where_the_gap_was_closed(shop: Shop) {
    let _ = shop.latchkey.sql("DELETE FROM audit_events WHERE sequence = 2");
    assert_eq!(broken_at(&shop).await, 2);
    let _ = shop.latchkey.sql("UPDATE audit_events SET sequence = 2 WHERE sequence = 3");
    assert_eq!(broken_at(&shop).await, 2);
}

async fn events_that_changed_places_are_found(shop: Shop) {
    for (from, to) in [(2, 9_999), (3, 2), (9_999, 3)] {
        let _ =
            shop.latchkey.sql(&format!("UPDATE audit_events SET sequence = {to} WHERE sequence = {from}"));
    }
    assert_eq!(broken_at(&shop).await, 2);
}

async fn a_log_that_was_cut_off_is_found(shop: Shop) {
    let head = found(&shop).await.head.expect("the head is returned").sequence;
    let _ = shop.latchkey.sql(&format!("DELETE FROM audit_events WHERE sequence >= {head}"));
    assert_eq!(broken_at(&shop).await, head);
    let _ = shop.latchkey.sql("DELETE FROM audit_events");
    assert_eq!(broken_at(&shop).await, 1);
}

/// Truncates the log after an event consistently, so that nothing in the database shows it.
fn cut(shop: &Shop, last: u64) {
    let _ = shop.latchkey.sql(&format!(
        "DELETE FROM audit_events WHERE sequence > {last}; \
         UPDATE head SET audit_sequence = {last}, \
         audit_hash = (SELECT hash FROM audit_events WHERE sequence = {last})"
    ));
}

async fn a_log_that_was_cut_off_with_its_head_is_found_by_the_anchor(shop: Shop) {
    let head = anchored(&shop).await;
    let first = first_anchor(&shop, 2);
    cut(&shop, 2);
    let state = found(&shop).await;
    assert_eq!((state.intact, state.broken_at, state.events), (false, 3, 2), "{state:?}");
    assert!(state.problem.contains(&format!("event {first}")), "{}", state.problem);
    // The server's file of anchors is deleted too: the anchor that the caller kept shows the truncation.
    std::fs::remove_file(shop.latchkey.folder().path().join(ANCHORS)).expect("the file is there");
    let own = VerifyAuditLogRequest { anchors: vec![head] };
    assert_eq!(shop.verify(own).await.broken_at, 3);
}

async fn a_rewritten_log_is_found_by_the_anchor(shop: Shop) {
    let head = anchored(&shop).await;
    cut(&shop, 2);
    // The program itself continues from there with a valid chain.
    for _ in 0..5 {
        let _ = shop.operator.plain_key("acme", "live").await;
    }
    let state = found(&shop).await;
    assert!(!state.intact && state.problem.contains("rewritten"), "{state:?}");
    assert!((3..=head.sequence).contains(&state.broken_at), "{state:?}");
    let own = VerifyAuditLogRequest { anchors: vec![head.clone()] };
    assert!((3..=head.sequence).contains(&shop.verify(own).await.broken_at));
}
