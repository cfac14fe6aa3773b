//! Audit events of tokens lose their content after a time, and the log is still verified.

use latchkey_core::seal::Sealed;
use latchkey_core::secret::KeyHash;
use latchkey_core::time::Timestamp;
use latchkey_core::token::TokenSubject;
use latchkey_core::token::refresh::{Redemption, RefreshRecord};
use latchkey_management::ports::audit::{Anchor, AuditFilter, AuditLog as _};
use latchkey_management::ports::tokens::TokenStore as _;
use latchkey_management::ports::{AuditAction, AuditEntry};

use crate::database::{NOW, TestDatabase, audit, family, key};

on_both!(
    old_events_of_tokens_lose_their_content_and_the_log_stays_intact,
    the_rest_of_a_pruned_event_cannot_be_changed,
    no_event_can_be_passed_off_as_one_without_content,
    a_recent_event_that_lost_its_content_is_found,
    events_of_a_clock_that_was_ahead_do_not_hold_up_the_others,
);

/// Time at which every event of the tests is old.
const LATER: Timestamp = Timestamp(NOW.0 + 1);

fn token(number: u8) -> RefreshRecord {
    let family = latchkey_core::id::FamilyId(uuid::Uuid::from_u128(77));
    RefreshRecord { hash: KeyHash([number; 32]), family, scopes: vec!["a".into()], spent: None }
}

/// Issues a token and refreshes it; the events are the third and the fourth.
async fn issue_and_refresh(database: &TestDatabase) {
    issue_at_and_refresh(database, NOW).await;
}

/// Issues a token, with another time than now in its event, and refreshes it.
async fn issue_at_and_refresh(database: &TestDatabase, issued: Timestamp) {
    let made = database.make(key(database, 5)).await;
    let family = family(database, TokenSubject::Key(made.id), 77);
    let entry = AuditEntry { time: issued, ..audit(AuditAction::TokenIssue) };
    database.store.create_family(family, token(0), u32::MAX, entry).await.unwrap();
    let spent = Redemption { at: NOW, successor: Sealed(vec![1]), scopes: vec!["a".into()] };
    let entry = audit(AuditAction::TokenRefresh);
    assert!(database.store.redeem_refresh_token(&KeyHash([0; 32]), spent, token(1), entry).await.unwrap());
}

async fn prune(database: &TestDatabase, before: Timestamp) -> (u64, u64) {
    let step = database.store.prune_token_events(0, before).await.unwrap();
    assert!(step.is_last);
    (step.pruned, step.until)
}

async fn old_events_of_tokens_lose_their_content_and_the_log_stays_intact(database: TestDatabase) {
    issue_and_refresh(&database).await;
    let _ = database.make(key(&database, 6)).await;
    assert_eq!(database.verify().await, Ok(5));
    assert_eq!(prune(&database, NOW).await, (0, 0), "nothing is old enough");
    assert_eq!(prune(&database, LATER).await, (2, 5));
    assert_eq!(database.verify().await, Ok(5));
    assert_eq!(database.actions().await, ["tenant.create", "key.create", "key.create"]);
    let all = AuditFilter { pruned: true, ..AuditFilter::default() };
    let left = database.store.events(&all, None, 10).await.unwrap().events;
    assert_eq!(left.len(), 5);
    for event in left.iter().filter(|event| event.action.starts_with("token.")) {
        assert!(event.actor.is_empty() && event.target.is_empty() && event.request_id.is_empty());
        assert!(event.tenant.is_none() && event.details.is_empty() && event.time == NOW);
    }
    assert_eq!(prune(&database, LATER).await, (0, 5), "once");
    let further = database.store.prune_token_events(4, LATER).await.unwrap();
    assert_eq!((further.pruned, further.until, further.is_last), (0, 5, true));
    let _ = database.make(key(&database, 7)).await;
    assert_eq!(database.verify().await, Ok(6), "the chain goes on");
}

async fn the_rest_of_a_pruned_event_cannot_be_changed(database: TestDatabase) {
    issue_and_refresh(&database).await;
    assert_eq!(prune(&database, LATER).await.0, 2);
    for change in [
        "action = 'token.refresh'",
        "action = 'key.revoke'",
        "time = time + 1",
        "details = '{}'",
        "target = 'key_1'",
        "actor = 'operator'",
    ] {
        database.sql("CREATE TABLE kept AS SELECT * FROM audit_events").await;
        database.sql(&format!("UPDATE audit_events SET {change} WHERE sequence = 3")).await;
        assert_eq!(database.verify().await, Err(3), "{change}");
        database.sql("DELETE FROM audit_events").await;
        database.sql("INSERT INTO audit_events SELECT * FROM kept").await;
        database.sql("DROP TABLE kept").await;
        assert_eq!(database.verify().await, Ok(4));
    }
    database.sql("DELETE FROM audit_events WHERE sequence = 3").await;
    assert_eq!(database.verify().await, Err(3), "a missing event is missing");
}

async fn no_event_can_be_passed_off_as_one_without_content(database: TestDatabase) {
    issue_and_refresh(&database).await;
    let hidden = "actor = '', target = '', request_id = '', tenant_id = NULL";
    for details in ["{}", &"0".repeat(64)] {
        for action in ["key.create", "token.issue"] {
            let set = format!("{hidden}, details = '{details}', action = '{action}'");
            database.sql(&format!("UPDATE audit_events SET {set} WHERE sequence = 2")).await;
            assert_eq!(database.verify().await, Err(2), "{set}");
        }
    }
    // An event that was changed keeps what it has.
    database.sql("UPDATE audit_events SET target = 'other' WHERE sequence = 3").await;
    assert_eq!(prune(&database, LATER).await.0, 1, "the fourth alone");
}

/// A writer to the database can compute what pruning leaves of an event, so the rows are those of pruning itself.
async fn a_recent_event_that_lost_its_content_is_found(database: TestDatabase) {
    issue_at_and_refresh(&database, Timestamp(NOW.0 - 1_000)).await;
    let early = async |kept_since: i64| {
        let checked = database.store.check(Anchor::START, 4, Timestamp(kept_since)).await.unwrap();
        assert_eq!((checked.valid.len(), checked.broken), (4, None), "the chain is intact");
        checked.pruned_early
    };
    assert_eq!(early(NOW.0 - 5_000).await, None, "every event has its content");
    assert_eq!(prune(&database, LATER).await.0, 2);
    assert_eq!(early(NOW.0 + 1).await, None, "both events are old");
    assert_eq!(early(NOW.0).await, Some(4), "the third event is old, and the fourth is not");
    assert_eq!(early(NOW.0 - 1_000).await, Some(3), "neither event is old, and the third is the first");
}

async fn events_of_a_clock_that_was_ahead_do_not_hold_up_the_others(database: TestDatabase) {
    issue_at_and_refresh(&database, Timestamp(NOW.0 + 1_000_000)).await;
    assert_eq!(prune(&database, LATER).await, (1, 4), "the fourth, which is older than the third");
    assert_eq!(database.verify().await, Ok(4));
    assert_eq!(prune(&database, Timestamp(NOW.0 + 1_000_001)).await.0, 1, "the third, when it is old");
    assert_eq!(database.verify().await, Ok(4));
}
