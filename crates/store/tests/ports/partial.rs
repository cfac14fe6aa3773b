//! Tables that a person has altered, or restored without the others.

use std::time::Duration;

use latchkey_core::cache::TakenAway;
use latchkey_core::ports::{ChangeEffect, ChangeFeed as _, ChangeSubject};
use latchkey_core::record::{KeyLifecycle, KeyRecord, TenantRecord};
use latchkey_core::seal::Sealed;
use latchkey_core::secret::KeyHash;
use latchkey_core::token::refresh::RefreshRecord;
use latchkey_core::token::{SigningAlgorithm, SigningKeyRecord, TokenSubject};
use latchkey_core::user::UserRecord;
use latchkey_management::password::PasswordHash;
use latchkey_management::ports::recovery::{ReapplyTo, RecoveryStore as _};
use latchkey_management::ports::tokens::TokenStore as _;
use latchkey_management::ports::{AuditAction, KeyUpdateFn, ManagementStore as _};

use crate::database::{NOW, TestDatabase, audit, family, key};
use crate::tokens::user;

on_both![
    the_feed_is_compared_with_the_head,
    rows_behind_the_head_are_not_read,
    other_rows_of_the_head_are_not_used,
    objects_that_lack_a_change_are_found,
    users_tokens_and_signing_keys_that_lack_a_change_are_found_and_repaired,
    access_that_was_given_back_since_is_not_taken_away_again,
];

async fn the_feed_is_compared_with_the_head(database: TestDatabase) {
    for number in 1..=3 {
        database.make(key(&database, number)).await;
    }
    let extent = database.store.extent().await.unwrap();
    assert_eq!((extent.head, extent.newest, extent.heads), (4, Some(4), 1));
    assert_eq!((extent.rows_behind(), extent.missing_rows(), extent.other_heads()), (None, None, None));
    database.sql("DELETE FROM changes WHERE revision = 4").await;
    let missing = database.store.extent().await.unwrap().missing_rows().unwrap();
    assert!(missing.contains("no row 4"), "{missing}");
    database.sql("UPDATE head SET revision = 2").await;
    let extent = database.store.extent().await.unwrap();
    let behind = extent.rows_behind().unwrap();
    assert!(behind.contains("set head.revision to 3") && extent.missing_rows().is_none(), "{behind}");
    for text in [missing, behind] {
        assert!(!text.contains('\n') && !text.contains("  "), "{text}");
    }
    database.sql("DELETE FROM changes").await;
    let extent = database.store.extent().await.unwrap();
    assert_eq!((extent.newest, extent.rows_behind(), extent.missing_rows()), (None, None, None));
}

async fn rows_behind_the_head_are_not_read(database: TestDatabase) {
    for number in 1..=3 {
        database.make(key(&database, number)).await;
    }
    database.sql("UPDATE head SET revision = 2").await;
    let polled = database.store.poll(None, 1, 10).await.unwrap();
    let changes = database.store.changes(1, 10).await.unwrap();
    for changes in [polled.changes, changes] {
        assert_eq!(changes.iter().map(|change| change.revision).collect::<Vec<_>>(), [1, 2]);
    }
}

async fn other_rows_of_the_head_are_not_used(database: TestDatabase) {
    database
        .sql(
            "INSERT INTO head (id, revision, audit_sequence, audit_hash) \
             SELECT 0, 7, 7, audit_hash FROM head UNION ALL SELECT 2, 9, 9, audit_hash FROM head",
        )
        .await;
    let made = database.make(key(&database, 1)).await;
    assert_eq!((made.revision, database.store.revision().await.unwrap()), (2, 2));
    let extent = database.store.extent().await.unwrap();
    assert!(extent.other_heads().is_some_and(|text| text.contains("3 rows")), "{extent:?}");
    assert_eq!(database.verify().await, Ok(2));
}

/// Disables a key, and enables it again.
async fn switch(database: &TestDatabase, key: &KeyRecord) {
    for lifecycle in [KeyLifecycle::Disabled, KeyLifecycle::Active] {
        let rule: KeyUpdateFn<'_> =
            Box::new(|key| Ok(KeyRecord { lifecycle: lifecycle.clone(), ..key.clone() }));
        database.store.change_key(key.id, rule, audit(AuditAction::KeyUpdate)).await.unwrap();
    }
}

async fn access_that_was_given_back_since_is_not_taken_away_again(database: TestDatabase) {
    let made = database.make(key(&database, 1)).await;
    let taken = TakenAway {
        revision: made.revision + 1,
        subject: ChangeSubject::Key(made.hash),
        effect: ChangeEffect::Disabled,
    };
    switch(&database, &made).await;
    let store = &database.store;
    for (objects, expected) in
        [(ReapplyTo::Outdated, KeyLifecycle::Active), (ReapplyTo::All, KeyLifecycle::Disabled)]
    {
        store.reapply(&taken, objects, audit(AuditAction::KeyUpdate)).await.unwrap();
        assert_eq!(store.key(made.id).await.unwrap().unwrap().lifecycle, expected, "{objects:?}");
    }
}

async fn objects_that_lack_a_change_are_found(database: TestDatabase) {
    let store = &database.store;
    let [revoked, switched] = [1, 2].map(|number| key(&database, number));
    let (revoked, switched) = (database.make(revoked).await, database.make(switched).await);
    let rule: KeyUpdateFn<'_> = Box::new(|key| {
        let lifecycle = KeyLifecycle::Revoked { at: NOW, reason: String::new() };
        Ok(KeyRecord { lifecycle, ..key.clone() })
    });
    store.change_key(revoked.id, rule, audit(AuditAction::KeyRevoke)).await.unwrap();
    switch(&database, &switched).await;
    let rule = Box::new(|tenant: &TenantRecord| Ok(TenantRecord { suspended: true, ..tenant.clone() }));
    store.change_tenant(database.tenant, rule, audit(AuditAction::TenantSuspend)).await.unwrap();
    assert_eq!(store.outdated(0, 10).await.unwrap(), [], "every object has its changes");
    let set_back = |key: &KeyRecord| {
        format!(
            "UPDATE keys SET state = 'active', revoked_at = NULL, revoke_reason = NULL, revision = {} WHERE id = {}",
            key.revision,
            database.sql_id(key.id)
        )
    };
    database.sql(&set_back(&revoked)).await;
    let found = store.outdated(0, 10).await.unwrap();
    let [change] = found.as_slice() else { panic!("{found:?}") };
    assert_eq!(change.subject, ChangeSubject::Key(revoked.hash));
    assert_eq!(change.effect, Some(ChangeEffect::Revoked));
    // What gave the access back is found as well.
    database.sql(&set_back(&switched)).await;
    database.sql("UPDATE tenants SET suspended = false, revision = 1").await;
    let found = store.outdated(0, 10).await.unwrap();
    let effects: Vec<_> = found.iter().map(|change| change.effect.clone()).collect();
    let (revoked, disabled) = (Some(ChangeEffect::Revoked), Some(ChangeEffect::Disabled));
    assert_eq!(effects, [revoked, disabled, None, Some(ChangeEffect::Suspended)]);
    // A page that has only what gave the access back is found too.
    let mut after = 0;
    for change in &found {
        assert_eq!(store.outdated(after, 1).await.unwrap(), std::slice::from_ref(change));
        after = change.revision;
    }
    assert_eq!(store.outdated(after, 1).await.unwrap(), []);
    database.sql("UPDATE tenants SET suspended = true, revision = 100").await;
    let [_, disabled, enabled, _] = found.as_slice() else { unreachable!("four were compared") };
    assert_eq!(store.outdated(disabled.revision, 10).await.unwrap(), std::slice::from_ref(enabled));
}

/// Disables a user, ends a token family of that user, and withdraws a signing key. Returns the family's subject and the user's.
async fn end_a_user_and_tokens(database: &TestDatabase) -> [ChangeSubject; 2] {
    let store = &database.store;
    let ada = user(database, 1, "ada@example.dev");
    let created = store.create_user(ada, PasswordHash("x".into()), audit(AuditAction::UserCreate)).await;
    let ada = created.unwrap().value;
    let family = family(database, TokenSubject::User(ada.id), 77);
    let first = RefreshRecord { hash: KeyHash([1; 32]), family: family.id, scopes: Vec::new(), spent: None };
    store.create_family(family.clone(), first, u32::MAX, audit(AuditAction::TokenIssue)).await.unwrap();
    store.end_family(family.id, NOW, audit(AuditAction::TokenRevoke)).await.unwrap();
    let rule = Box::new(|user: &UserRecord| Ok(UserRecord { disabled: true, ..user.clone() }));
    store.change_user(ada.id, rule, None, audit(AuditAction::UserUpdate)).await.unwrap();
    for withdrawn in [None, Some(NOW)] {
        let key = SigningKeyRecord {
            id: "k1".into(),
            profile: "paykore".into(),
            algorithm: SigningAlgorithm::EdDsa,
            sealed: Sealed(vec![1]),
            created: NOW,
            signs_from: NOW,
            signs_until: None,
            longest_ttl: Duration::from_secs(60),
            withdrawn,
        };
        let rule = Box::new(move |_: &[SigningKeyRecord]| Ok(vec![key]));
        store
            .change_signing_keys("paykore", rule, NOW, audit(AuditAction::SigningKeyWithdraw))
            .await
            .unwrap();
    }
    [ChangeSubject::Family(family.id), ChangeSubject::User(ada.id)]
}

/// The feed names users and families by texts that are no UUIDs.
async fn users_tokens_and_signing_keys_that_lack_a_change_are_found_and_repaired(database: TestDatabase) {
    let [family, user] = end_a_user_and_tokens(&database).await;
    let store = &database.store;
    assert_eq!(store.outdated(0, 10).await.unwrap(), [], "every object has its changes");
    database.sql("UPDATE users SET disabled = false, revision = 2").await;
    database.sql("UPDATE token_families SET ended_at = NULL").await;
    database.sql("UPDATE signing_keys SET withdrawn_at = NULL").await;
    let found = store.outdated(0, 10).await.unwrap();
    let taken: Vec<TakenAway> = found
        .into_iter()
        .map(|change| TakenAway {
            revision: change.revision,
            subject: change.subject,
            effect: change.effect.unwrap(),
        })
        .collect();
    let subjects: Vec<_> = taken.iter().map(|taken| (taken.subject.clone(), taken.effect.clone())).collect();
    let signing_keys = ChangeSubject::SigningKeys("paykore".into());
    let expected = [
        (family, ChangeEffect::Ended),
        (user, ChangeEffect::Disabled),
        (signing_keys, ChangeEffect::Withdrawn("k1".into())),
    ];
    assert_eq!(subjects, expected);
    for taken in &taken {
        let again = store.reapply(taken, ReapplyTo::Outdated, audit(AuditAction::KeyUpdate)).await.unwrap();
        assert!(again.changed, "{taken:?}");
    }
    assert_eq!(store.outdated(0, 10).await.unwrap(), []);
}
