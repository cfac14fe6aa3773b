//! Rotation of the master key: sealed values are rewrapped one by one, and only if they are unchanged.

use async_trait::async_trait;
use latchkey_core::error::SystemError;
use latchkey_core::imported_hash::HashSecret;
use latchkey_core::ports::KeyStore;
use latchkey_core::record::{KeyLifecycle, ProfileSecretRecord};
use latchkey_core::seal::{Sealed, Sealer};
use latchkey_core::time::{Clock, Timestamp};
use latchkey_management::ports::sealed_values::{
    KeyCheckValue, Replacement, SealedTable, SealedValue, SealedValueStore,
};
use latchkey_management::ports::tokens::TokenStore;
use latchkey_management::ports::{AuditAction, AuditEntry, ManagementStore};
use latchkey_management::rewrap::{MasterKeyRotation, RewrapCounts};
use latchkey_store::Store;
use rand::SeedableRng;
use rand::rngs::{StdRng, SysRng};

use crate::database::{TestDatabase, audit, key};
use crate::harness::{Harness, MASTER};
use crate::profile::apply;

on_both!(
    all_values_are_rewrapped_and_unneeded_ones_are_removed,
    what_changed_since_it_was_read_is_left,
    only_the_tables_that_have_values_are_named,
    only_the_keys_that_were_in_use_open_a_database,
    values_sealed_under_the_old_key_meanwhile_are_reported,
);

const NEW: [u8; 32] = [7; 32];
const NOW: Timestamp = Timestamp(1_763_000_000_000);

fn random() -> StdRng {
    StdRng::try_from_rng(&mut SysRng).unwrap()
}

/// Creates a key with a retrievable value; returns the value.
async fn retrievable(database: &TestDatabase, number: u128, lifecycle: KeyLifecycle) -> String {
    let (mut record, value) = (key(database, number), format!("pk_live_{number}"));
    let owner = record.id.to_string();
    record.sealed = Some(Sealer::new(&MASTER).seal(value.as_bytes(), &owner, &mut random()).unwrap());
    record.lifecycle = lifecycle;
    let _ = database.make(record).await;
    value
}

/// Sets a secret of a profile, sealed under the master key.
async fn set_secret(database: &TestDatabase, bytes: &[u8]) {
    apply(&database.store, "p", "a document").await;
    let sealed = HashSecret::seal(bytes, ("p", "old"), &Sealer::new(&MASTER), &mut random()).unwrap();
    let record = ProfileSecretRecord { profile: "p".into(), name: "old".into(), sealed, set: NOW };
    database.store.set_profile_secret(record, audit(AuditAction::ProfileSetSecret)).await.unwrap();
}

async fn counts(database: &TestDatabase, sealer: &Sealer, forget: bool) -> [RewrapCounts; 4] {
    let opener = MasterKeyRotation { store: &*database.store, sealer };
    opener.rewrap(forget, NOW, &mut random()).await.unwrap().0
}

async fn all_values_are_rewrapped_and_unneeded_ones_are_removed(database: TestDatabase) {
    let harness = Harness::new(database, "EdDSA").await;
    let (_, value) = harness.key().await;
    let first = harness.issue(&value).await.refresh;
    let second = harness.renew(&first).await.unwrap().refresh;
    let mut values = Vec::new();
    for number in 1..=250 {
        values.push(retrievable(&harness.database, number, KeyLifecycle::Active).await);
    }
    let over = KeyLifecycle::Revoked { at: NOW, reason: String::new() };
    let _ = retrievable(&harness.database, 900, over).await;
    let secret = || async { harness.database.store.profile_secrets().await.unwrap().remove(0) };
    set_secret(&harness.database, b"sesame").await;
    assert_eq!(harness.database.store.sealed_tables().await.unwrap(), SealedTable::ALL);
    let both = Sealer::new(&NEW).with_previous([&MASTER]);
    assert!(HashSecret::open(&secret().await, &Sealer::new(&NEW)).is_err());
    let done = counts(&harness.database, &both, false).await;
    let [signing, keys, refresh, secrets] = done;
    assert_eq!((signing.rewrapped, keys.rewrapped, refresh.rewrapped), (1, 250, 1));
    assert_eq!((secrets.rewrapped, secrets.current), (1, 1));
    assert!(HashSecret::open(&secret().await, &Sealer::new(&NEW)).is_ok());
    assert_eq!((keys.cleared, keys.current, keys.stale + keys.unreadable), (1, 250, 0));
    let new = Sealer::new(&NEW);
    for (number, value) in (1..).zip(&values) {
        let stored = harness.database.store.key(key(&harness.database, number).id).await.unwrap().unwrap();
        let opened = new.open(&stored.sealed.unwrap(), &stored.id.to_string()).unwrap();
        assert_eq!(opened.reveal(), value);
    }
    assert_eq!(
        harness.database.store.key(key(&harness.database, 900).id).await.unwrap().unwrap().sealed,
        None
    );
    let signing_keys = harness.database.store.signing_keys().await.unwrap().keys;
    assert!(signing_keys.iter().all(|key| key.material(&new).is_ok()));
    let (spent, _) = harness.database.store.refresh_token(&first.hash()).await.unwrap().unwrap();
    let owner = latchkey_core::token::refresh::seal_owner(&first.hash());
    assert_eq!(new.open(&spent.spent.unwrap().successor, &owner).unwrap().reveal(), second.reveal());
    let rewraps = |actions: &[String]| actions.iter().filter(|action| *action == "master_key.rewrap").count();
    assert_eq!(rewraps(&harness.database.actions().await), 1);
    let again = counts(&harness.database, &both, false).await;
    assert!(again.iter().all(|count| count.rewrapped + count.cleared + count.unreadable == 0), "{again:?}");
    assert_eq!(rewraps(&harness.database.actions().await), 1, "there was nothing to rewrap");
    assert!(harness.database.verify().await.is_ok() && harness.clock.now().wall >= NOW);
}

async fn what_changed_since_it_was_read_is_left(database: TestDatabase) {
    let _ = retrievable(&database, 1, KeyLifecycle::Active).await;
    let read = database.store.sealed(SealedTable::Keys, None, 10).await.unwrap().remove(0);
    let replace = |before: &Sealed, after: Option<Sealed>| {
        let value = Replacement { row: read.row.clone(), before: before.clone(), after };
        database.store.replace(SealedTable::Keys, vec![value])
    };
    let other = Sealed(vec![1, 2, 3]);
    assert_eq!(replace(&read.sealed, Some(other.clone())).await, Ok(1));
    assert_eq!(replace(&read.sealed, None).await, Ok(0), "the value has changed meanwhile");
    let kept = database.store.sealed(SealedTable::Keys, None, 10).await.unwrap().remove(0);
    assert_eq!((kept.sealed, kept.needed), (other, true));
    let after = database.store.sealed(SealedTable::Keys, Some(&read.row), 10).await.unwrap();
    assert!(after.is_empty());
}

async fn only_the_tables_that_have_values_are_named(database: TestDatabase) {
    let tables = async || database.store.sealed_tables().await.unwrap();
    assert_eq!(tables().await, []);
    let _ = retrievable(&database, 1, KeyLifecycle::Active).await;
    assert_eq!(tables().await, [SealedTable::Keys]);
    set_secret(&database, b"sesame").await;
    assert_eq!(tables().await, [SealedTable::Keys, SealedTable::ProfileSecrets]);
}

async fn only_the_keys_that_were_in_use_open_a_database(database: TestDatabase) {
    let (old, new) = (Sealer::new(&MASTER), Sealer::new(&NEW));
    let both = Sealer::new(&NEW).with_previous([&MASTER]);
    let opens = async |sealer: &Sealer| {
        MasterKeyRotation { store: &*database.store, sealer }.keys_match().await.unwrap()
    };
    assert!(opens(&old).await && opens(&new).await, "there are no sealed values");
    let _ = retrievable(&database, 1, KeyLifecycle::Active).await;
    assert!(opens(&old).await && !opens(&new).await && opens(&both).await, "the sealed value decides");
    MasterKeyRotation { store: &*database.store, sealer: &both }
        .ensure_key_check_value(&mut random())
        .await
        .unwrap();
    assert!(!opens(&old).await, "the new key has been in use");
    MasterKeyRotation { store: &*database.store, sealer: &old }
        .ensure_key_check_value(&mut random())
        .await
        .unwrap();
    assert!(!opens(&new).await && opens(&both).await);
    let lost = counts(&database, &new, false).await;
    assert_eq!((lost[1].unreadable, lost[1].cleared), (1, 0));
    assert!(!opens(&new).await, "a value is still sealed under the other key");
    let _ = counts(&database, &both, false).await;
    assert!(opens(&new).await && !opens(&old).await);
    let _ = retrievable(&database, 2, KeyLifecycle::Active).await;
    let forgotten = counts(&database, &new, true).await;
    assert_eq!((forgotten[1].cleared, forgotten[1].current, forgotten[1].unreadable), (1, 1, 0));
}

/// A store beside which another process restores a value sealed under the old key.
struct RevertingStore<'a>(&'a Store);

#[async_trait]
impl SealedValueStore for RevertingStore<'_> {
    async fn sealed_tables(&self) -> Result<Vec<SealedTable>, SystemError> {
        self.0.sealed_tables().await
    }

    async fn sealed(
        &self,
        table: SealedTable,
        after: Option<&[u8]>,
        limit: u32,
    ) -> Result<Vec<SealedValue>, SystemError> {
        self.0.sealed(table, after, limit).await
    }

    async fn replace(&self, table: SealedTable, values: Vec<Replacement>) -> Result<u64, SystemError> {
        let back = |value: &Replacement| {
            let before = value.after.clone().unwrap();
            Replacement { row: value.row.clone(), before, after: Some(value.before.clone()) }
        };
        let back = values.iter().map(back).collect();
        let replaced = self.0.replace(table, values).await?;
        self.0.replace(table, back).await?;
        Ok(replaced)
    }

    async fn key_check_values(&self) -> Result<Vec<KeyCheckValue>, SystemError> {
        self.0.key_check_values().await
    }

    async fn insert_key_check_value(&self, mark: KeyCheckValue) -> Result<(), SystemError> {
        self.0.insert_key_check_value(mark).await
    }

    async fn finish_rewrap(&self, gone: Vec<uuid::Uuid>, audit: AuditEntry) -> Result<(), SystemError> {
        self.0.finish_rewrap(gone, audit).await
    }
}

async fn values_sealed_under_the_old_key_meanwhile_are_reported(database: TestDatabase) {
    let (old, new) = (Sealer::new(&MASTER), Sealer::new(&NEW));
    let both = Sealer::new(&NEW).with_previous([&MASTER]);
    MasterKeyRotation { store: &*database.store, sealer: &old }
        .ensure_key_check_value(&mut random())
        .await
        .unwrap();
    let _ = retrievable(&database, 1, KeyLifecycle::Active).await;
    let opener = MasterKeyRotation { store: &RevertingStore(&database.store), sealer: &both };
    let done = opener.rewrap(false, NOW, &mut random()).await.unwrap();
    assert!(done.remaining() == 1 && done.0[1].stale == 1, "{done:?}");
    assert!(
        !MasterKeyRotation { store: &*database.store, sealer: &new }.keys_match().await.unwrap(),
        "the old key's check value stays"
    );
    let calm = counts(&database, &both, false).await;
    assert_eq!((calm[1].rewrapped, calm[1].stale, calm[1].current), (1, 0, 1));
    assert!(MasterKeyRotation { store: &*database.store, sealer: &new }.keys_match().await.unwrap());
    // A process that still runs with the old key restores its check value, and is informed that it lacks the
    // new one.
    let kept = MasterKeyRotation { store: &*database.store, sealer: &old }
        .ensure_key_check_value(&mut random())
        .await
        .unwrap();
    assert!(
        !kept && !MasterKeyRotation { store: &*database.store, sealer: &new }.keys_match().await.unwrap()
    );
}
