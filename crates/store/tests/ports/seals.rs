//! Everything that lies sealed is sealed anew, piece by piece, and only what is still as it was read.

use async_trait::async_trait;
use latchkey_core::record::KeyLife;
use latchkey_core::seal::{Sealed, Sealer};
use latchkey_core::time::{Clock, Timestamp};
use latchkey_core::trouble::Trouble;
use latchkey_management::ports::seals::{Drawer, Mark, Replacement, SealedValue, Seals};
use latchkey_management::ports::tokens::TokenLedger;
use latchkey_management::ports::{AuditEntry, Ledger};
use latchkey_management::reseal::{Count, Opener};
use latchkey_store::Store;
use rand::SeedableRng;
use rand::rngs::{StdRng, SysRng};

use crate::desk::{Desk, MASTER};
use crate::place::{Place, key};

on_both!(
    everything_is_sealed_anew_and_what_nobody_needs_is_taken_away,
    what_changed_since_it_was_read_is_left,
    only_the_keys_that_were_in_use_open_a_database,
    what_comes_to_lie_under_the_old_key_meanwhile_is_told,
);

const NEW: [u8; 32] = [7; 32];
const NOW: Timestamp = Timestamp(1_763_000_000_000);

fn random() -> StdRng {
    StdRng::try_from_rng(&mut SysRng).unwrap()
}

/// A key whose value may be read again, and its value.
async fn retrievable(place: &Place, number: u128, life: KeyLife) -> String {
    let (mut record, value) = (key(place, number), format!("pk_live_{number}"));
    let owner = record.id.to_string();
    record.sealed = Some(Sealer::new(&MASTER).seal(value.as_bytes(), &owner, &mut random()).unwrap());
    record.life = life;
    let _ = place.make(record).await;
    value
}

async fn counts(place: &Place, sealer: &Sealer, forget: bool) -> [Count; 3] {
    let opener = Opener { seals: &*place.store, sealer };
    opener.reseal(forget, NOW, &mut random()).await.unwrap().0
}

async fn everything_is_sealed_anew_and_what_nobody_needs_is_taken_away(place: Place) {
    let desk = Desk::new(place, "EdDSA").await;
    let (_, value) = desk.key().await;
    let first = desk.issue(&value).await.refresh;
    let second = desk.renew(&first).await.unwrap().refresh;
    let mut values = Vec::new();
    for number in 1..=250 {
        values.push(retrievable(&desk.place, number, KeyLife::Active).await);
    }
    let over = KeyLife::Revoked { at: NOW, reason: String::new() };
    let _ = retrievable(&desk.place, 900, over).await;
    let both = Sealer::new(&NEW).with_previous([&MASTER]);
    let done = counts(&desk.place, &both, false).await;
    let [signing, keys, refresh] = done;
    assert_eq!((signing.resealed, keys.resealed, refresh.resealed), (1, 250, 1));
    assert_eq!((keys.cleared, keys.current, keys.again + keys.shut), (1, 250, 0));
    let new = Sealer::new(&NEW);
    for (number, value) in (1..).zip(&values) {
        let stored = desk.place.store.key(key(&desk.place, number).id).await.unwrap().unwrap();
        let opened = new.open(&stored.sealed.unwrap(), &stored.id.to_string()).unwrap();
        assert_eq!(opened.reveal(), value);
    }
    assert_eq!(desk.place.store.key(key(&desk.place, 900).id).await.unwrap().unwrap().sealed, None);
    let signing_keys = desk.place.store.signing_keys().await.unwrap().keys;
    assert!(signing_keys.iter().all(|key| key.material(&new).is_ok()));
    let (spent, _) = desk.place.store.refresh_token(&first.hash()).await.unwrap().unwrap();
    let owner = latchkey_core::token::refresh::owner(&first.hash());
    assert_eq!(new.open(&spent.spent.unwrap().successor, &owner).unwrap().reveal(), second.reveal());
    let told = |actions: &[String]| actions.iter().filter(|action| *action == "master_key.reseal").count();
    assert_eq!(told(&desk.place.actions().await), 1);
    let again = counts(&desk.place, &both, false).await;
    assert!(again.iter().all(|count| count.resealed + count.cleared + count.shut == 0), "{again:?}");
    assert_eq!(told(&desk.place.actions().await), 1, "nothing was done");
    assert!(desk.place.verify().await.is_ok() && desk.clock.now().wall >= NOW);
}

async fn what_changed_since_it_was_read_is_left(place: Place) {
    let _ = retrievable(&place, 1, KeyLife::Active).await;
    let read = place.store.sealed(Drawer::Keys, None, 10).await.unwrap().remove(0);
    let replace = |before: &Sealed, after: Option<Sealed>| {
        let value = Replacement { row: read.row.clone(), before: before.clone(), after };
        place.store.replace(Drawer::Keys, vec![value])
    };
    let other = Sealed(vec![1, 2, 3]);
    assert_eq!(replace(&read.sealed, Some(other.clone())).await, Ok(1));
    assert_eq!(replace(&read.sealed, None).await, Ok(0), "it is another one by now");
    let kept = place.store.sealed(Drawer::Keys, None, 10).await.unwrap().remove(0);
    assert_eq!((kept.sealed, kept.needed), (other, true));
    let after = place.store.sealed(Drawer::Keys, Some(&read.row), 10).await.unwrap();
    assert!(after.is_empty());
}

async fn only_the_keys_that_were_in_use_open_a_database(place: Place) {
    let (old, new) = (Sealer::new(&MASTER), Sealer::new(&NEW));
    let both = Sealer::new(&NEW).with_previous([&MASTER]);
    let opens = async |sealer: &Sealer| Opener { seals: &*place.store, sealer }.opens().await.unwrap();
    assert!(opens(&old).await && opens(&new).await, "nothing lies sealed");
    let _ = retrievable(&place, 1, KeyLife::Active).await;
    assert!(opens(&old).await && !opens(&new).await && opens(&both).await, "told by the value");
    Opener { seals: &*place.store, sealer: &both }.mark(&mut random()).await.unwrap();
    assert!(!opens(&old).await, "the new one has been in use");
    Opener { seals: &*place.store, sealer: &old }.mark(&mut random()).await.unwrap();
    assert!(!opens(&new).await && opens(&both).await);
    let lost = counts(&place, &new, false).await;
    assert_eq!((lost[1].shut, lost[1].cleared), (1, 0));
    assert!(!opens(&new).await, "something is left under the other");
    let _ = counts(&place, &both, false).await;
    assert!(opens(&new).await && !opens(&old).await);
    let _ = retrievable(&place, 2, KeyLife::Active).await;
    let forgotten = counts(&place, &new, true).await;
    assert_eq!((forgotten[1].cleared, forgotten[1].current, forgotten[1].shut), (1, 1, 0));
}

/// A ledger beside which somebody puts back what was under the old key.
struct Stubborn<'a>(&'a Store);

#[async_trait]
impl Seals for Stubborn<'_> {
    async fn sealed(
        &self,
        drawer: Drawer,
        after: Option<&[u8]>,
        limit: u32,
    ) -> Result<Vec<SealedValue>, Trouble> {
        self.0.sealed(drawer, after, limit).await
    }

    async fn replace(&self, drawer: Drawer, values: Vec<Replacement>) -> Result<u64, Trouble> {
        let back = |value: &Replacement| {
            let before = value.after.clone().unwrap();
            Replacement { row: value.row.clone(), before, after: Some(value.before.clone()) }
        };
        let back = values.iter().map(back).collect();
        let replaced = self.0.replace(drawer, values).await?;
        self.0.replace(drawer, back).await?;
        Ok(replaced)
    }

    async fn marks(&self) -> Result<Vec<Mark>, Trouble> {
        self.0.marks().await
    }

    async fn make_mark(&self, mark: Mark) -> Result<(), Trouble> {
        self.0.make_mark(mark).await
    }

    async fn resealed(&self, gone: Vec<uuid::Uuid>, audit: AuditEntry) -> Result<(), Trouble> {
        self.0.resealed(gone, audit).await
    }
}

async fn what_comes_to_lie_under_the_old_key_meanwhile_is_told(place: Place) {
    let (old, new) = (Sealer::new(&MASTER), Sealer::new(&NEW));
    let both = Sealer::new(&NEW).with_previous([&MASTER]);
    Opener { seals: &*place.store, sealer: &old }.mark(&mut random()).await.unwrap();
    let _ = retrievable(&place, 1, KeyLife::Active).await;
    let opener = Opener { seals: &Stubborn(&place.store), sealer: &both };
    let done = opener.reseal(false, NOW, &mut random()).await.unwrap();
    assert!(done.left() == 1 && done.0[1].again == 1, "{done:?}");
    assert!(
        !Opener { seals: &*place.store, sealer: &new }.opens().await.unwrap(),
        "the old one's mark stays"
    );
    let calm = counts(&place, &both, false).await;
    assert_eq!((calm[1].resealed, calm[1].again, calm[1].current), (1, 0, 1));
    assert!(Opener { seals: &*place.store, sealer: &new }.opens().await.unwrap());
    // Who still runs with the old one puts its mark back, and hears that it lacks the new one.
    let kept = Opener { seals: &*place.store, sealer: &old }.mark(&mut random()).await.unwrap();
    assert!(!kept && !Opener { seals: &*place.store, sealer: &new }.opens().await.unwrap());
}
