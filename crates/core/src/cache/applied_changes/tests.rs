//! Tests of the table of applied changes.

use uuid::Uuid;

use super::*;
use crate::id::TenantId;
use crate::secret::KeyHash;

const KEY: ChangeSubject = ChangeSubject::Key(KeyHash([1; 32]));

fn change(revision: u64, subject: ChangeSubject, effect: Option<ChangeEffect>) -> Change {
    let byte = u8::try_from(revision % 251).unwrap();
    Change { revision, subject, effect, history: Some([byte; 32]) }
}

fn taken(changes: &AppliedChanges, revision: u64) -> Vec<(u64, ChangeEffect)> {
    changes.taken_away_after(revision).into_iter().map(|taken| (taken.revision, taken.effect)).collect()
}

#[test]
fn a_revocation_stays_whatever_comes_after_it() {
    let changes = AppliedChanges::default();
    changes.record(&change(1, KEY, Some(ChangeEffect::Revoked)));
    changes.record(&change(2, KEY, None));
    assert_eq!(taken(&changes, 0), [(1, ChangeEffect::Revoked)]);
    assert_eq!(taken(&changes, 1), []);
}

#[test]
fn a_suspension_ends_when_the_tenant_is_resumed() {
    let (changes, tenant) = (AppliedChanges::default(), ChangeSubject::Tenant(TenantId(Uuid::nil())));
    changes.record(&change(1, tenant.clone(), Some(ChangeEffect::Suspended)));
    assert_eq!(taken(&changes, 0), [(1, ChangeEffect::Suspended)]);
    changes.record(&change(2, tenant, None));
    assert_eq!(taken(&changes, 0), []);
}

#[test]
fn a_restriction_is_remembered_at_its_own_revision_through_later_changes() {
    let changes = AppliedChanges::default();
    changes.record(&change(1, KEY, Some(ChangeEffect::Restricted)));
    changes.record(&change(2, KEY, Some(ChangeEffect::Disabled)));
    changes.record(&change(3, KEY, None));
    assert_eq!(taken(&changes, 0), [(1, ChangeEffect::Restricted)]);
    assert_eq!(taken(&changes, 1), [], "the restriction is not lost");
    changes.rebase(1, &HashMap::new());
    assert_eq!(taken(&changes, 0), [(1, ChangeEffect::Restricted)]);
    changes.record(&change(2, KEY, Some(ChangeEffect::Restricted)));
    assert_eq!(taken(&changes, 0), [(2, ChangeEffect::Restricted)]);
}

#[test]
fn every_withdrawn_signing_key_of_a_profile_is_remembered() {
    let changes = AppliedChanges::default();
    for (revision, id) in [(1, "a"), (2, "b")] {
        let subject = ChangeSubject::SigningKeys("p".into());
        changes.record(&change(revision, subject, Some(ChangeEffect::Withdrawn(id.into()))));
    }
    let both = [(1, "a"), (2, "b")].map(|(revision, id)| (revision, ChangeEffect::Withdrawn(id.into())));
    assert_eq!(taken(&changes, 0), both);
    assert_eq!(taken(&changes, 1), both[1..]);
}

#[test]
fn a_record_from_before_a_change_is_refused_if_the_database_claims_to_have_the_change() {
    let changes = AppliedChanges::default();
    changes.record(&change(5, KEY, None));
    assert!(changes.check(&KEY, 4, 5).is_err() && changes.check(&KEY, 4, 9).is_err());
    assert!(changes.check(&KEY, 4, 4).is_ok(), "it was read before the change");
    assert!(changes.check(&KEY, 5, 5).is_ok() && changes.check(&KEY, 8, 9).is_ok());
    assert_eq!(changes.refused(), 2);
    changes.forget_refused(1);
    assert_eq!(changes.refused(), 1);
    let error = changes.check(&KEY, 4, 5).unwrap_err();
    assert!(!error.is_no_answer() && error.to_string().contains("older state"), "{error}");
}

#[test]
fn a_table_of_some_changes_has_what_they_take_away() {
    let (revoked, other) = (Some(ChangeEffect::Revoked), ChangeSubject::Key(KeyHash([2; 32])));
    let disabled = Some(ChangeEffect::Disabled);
    let changes = [change(4, KEY, revoked), change(5, other.clone(), disabled), change(6, other, None)];
    assert_eq!(taken(&AppliedChanges::of(&changes), 0), [(4, ChangeEffect::Revoked)]);
}

#[test]
fn a_history_that_is_forgotten_is_compared_with_nothing() {
    let changes = AppliedChanges::default();
    changes.record(&change(1, KEY, None));
    changes.record(&change(2, KEY, None));
    changes.forget_history(2);
    assert_eq!((changes.history(1), changes.history(2)), (Some([1; 32]), None));
}

#[test]
fn a_repeated_revocation_is_remembered_and_other_lost_changes_are_not() {
    let (changes, tenant) = (AppliedChanges::default(), ChangeSubject::Tenant(TenantId(Uuid::nil())));
    changes.record_history(3, [3; 32]);
    changes.record(&change(4, KEY, Some(ChangeEffect::Revoked)));
    changes.record(&change(5, tenant.clone(), None));
    changes.rebase(3, &HashMap::from([(KEY, 6)]));
    assert_eq!((changes.history(3), changes.history(4)), (Some([3; 32]), None));
    assert_eq!(taken(&changes, 3), [(6, ChangeEffect::Revoked)]);
    assert!(!changes.changed_after(&tenant, 3));
}

#[test]
fn the_oldest_changes_are_forgotten_first() {
    let changes = AppliedChanges::default();
    let subject = |number: u64| {
        let mut hash = [0; 32];
        hash[..8].copy_from_slice(&number.to_be_bytes());
        ChangeSubject::Key(KeyHash(hash))
    };
    let over = MAX_CAPACITY as u64 + 10;
    for revision in 1..=over {
        changes.record(&change(revision, subject(revision), Some(ChangeEffect::Revoked)));
    }
    assert_eq!(taken(&changes, 0).len(), MAX_CAPACITY);
    assert!(!changes.changed_after(&subject(10), 0) && changes.changed_after(&subject(11), 0));
    assert_eq!((changes.history(10), changes.history(11)), (None, Some([11; 32])));
}

#[test]
fn a_table_of_given_changes_drops_none() {
    let number = MAX_CAPACITY as u64 + 10;
    let all: Vec<_> = (1..=number)
        .map(|revision| {
            let mut hash = [0; 32];
            hash[..8].copy_from_slice(&revision.to_be_bytes());
            change(revision, ChangeSubject::Key(KeyHash(hash)), Some(ChangeEffect::Revoked))
        })
        .collect();
    assert_eq!(taken(&AppliedChanges::of(&all), 0).len(), all.len());
}

#[test]
fn a_small_cache_remembers_fewer_changes_and_the_newest_ones() {
    let changes = AppliedChanges::with_bytes(0);
    let over = MIN_CAPACITY as u64 + 10;
    for revision in 1..=over {
        let mut hash = [0; 32];
        hash[..8].copy_from_slice(&revision.to_be_bytes());
        let subject = ChangeSubject::Key(KeyHash(hash));
        changes.record(&change(revision, subject, Some(ChangeEffect::Revoked)));
    }
    assert_eq!((changes.len(), changes.bytes()), (MIN_CAPACITY, MIN_CAPACITY * ENTRY_BYTES));
    assert_eq!(taken(&changes, 0).first().map(|(revision, _)| *revision), Some(11));
    assert_eq!((changes.history(10), changes.history(over).is_some()), (None, true));
}
