//! Changing the master key. A start is refused where a master key was in use that it wasn't given; and everything
//! that lies under an earlier one can be sealed anew, while servers run: piece by piece, each value only if it is
//! still the one that was read. Whoever is killed in the middle begins again.

use std::collections::BTreeMap;

use latchkey_core::seal::{NotOpened, Sealer};
use latchkey_core::time::Timestamp;
use latchkey_core::trouble::Trouble;
use rand::RngExt as _;
use rand::rngs::StdRng;
use uuid::Uuid;

use crate::ports::AuditEntry;
use crate::ports::seals::{Drawer, Mark, Replacement, SealedValue, Seals};

/// Values that are read and replaced at once.
const PIECE: u32 = 100;
/// Looks at everything: the last must find nothing to do. A server that still seals under an earlier key can keep it
/// from that.
const LOOKS: usize = 4;
/// What a mark says; nobody reads it but by opening it.
const WORD: &[u8] = b"master key";

/// Who opens what lies sealed.
pub struct Opener<'a, S: ?Sized> {
    /// Where it lies.
    pub seals: &'a S,
    /// The master keys.
    pub sealer: &'a Sealer,
}

/// What became of the values of one drawer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// They lay under the master key at the last look.
    pub current: u64,
    /// They were sealed anew.
    pub resealed: u64,
    /// They were taken away.
    pub cleared: u64,
    /// They lie under a previous key after all: something still seals under it.
    pub again: u64,
    /// No key opens them.
    pub shut: u64,
}

/// What became of everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Resealed(pub [Count; 3]);

impl Resealed {
    /// Values that don't lie under the master key.
    #[must_use]
    pub fn left(&self) -> u64 {
        self.0.iter().map(|count| count.shut + count.again).sum()
    }

    fn total(&self, of: impl Fn(&Count) -> u64) -> u64 {
        self.0.iter().map(of).sum()
    }
}

fn owner(mark: Uuid) -> String {
    format!("master key {mark}")
}

impl<S: Seals + ?Sized> Opener<'_, S> {
    /// Whether anything lies sealed.
    pub async fn holds_any(&self) -> Result<bool, Trouble> {
        if !self.seals.marks().await?.is_empty() {
            return Ok(true);
        }
        for drawer in Drawer::ALL {
            if !self.seals.sealed(drawer, None, 1).await?.is_empty() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether these are the master keys that values lie under. A database from before there were marks is told by
    /// its values: they are other keys where they open none of a drawer's.
    pub async fn opens(&self) -> Result<bool, Trouble> {
        let marks = self.seals.marks().await?;
        if !marks.is_empty() {
            return Ok(marks.iter().all(|mark| self.sealer.open(&mark.sealed, &owner(mark.id)).is_ok()));
        }
        for drawer in Drawer::ALL {
            if !self.opens_some(drawer).await? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Whether the first values that are needed are opened, or there is none.
    async fn opens_some(&self, drawer: Drawer) -> Result<bool, Trouble> {
        let mut after: Option<Vec<u8>> = None;
        loop {
            let values = self.seals.sealed(drawer, after.as_deref(), PIECE).await?;
            let mut needed = values.iter().filter(|value| value.needed).peekable();
            if needed.peek().is_some() {
                return Ok(needed.any(|value| self.sealer.open(&value.sealed, &value.owner).is_ok()));
            }
            match values.into_iter().last() {
                None => return Ok(true),
                Some(last) => after = Some(last.row),
            }
        }
    }

    /// Makes sure of the master key's own mark; answers whether every mark opens.
    pub async fn mark(&self, random: &mut StdRng) -> Result<bool, Trouble> {
        let marks = self.seals.marks().await?;
        if !marks.iter().any(|mark| self.is_own(mark)) {
            let id = Uuid::from_u128(random.random());
            let sealed = self.sealer.seal(WORD, &owner(id), random).map_err(unsealed)?;
            self.seals.make_mark(Mark { id, sealed }).await?;
        }
        Ok(marks.iter().all(|mark| self.sealer.open(&mark.sealed, &owner(mark.id)).is_ok()))
    }

    fn is_own(&self, mark: &Mark) -> bool {
        self.sealer.is_current(&mark.sealed, &owner(mark.id))
    }

    /// Seals everything under the master key, and takes away what nobody needs. With `forget`, so is what no key
    /// opens. Other keys' marks go when nothing is left under them.
    pub async fn reseal(
        &self,
        forget: bool,
        now: Timestamp,
        random: &mut StdRng,
    ) -> Result<Resealed, Trouble> {
        self.mark(random).await?;
        let mut done = Resealed::default();
        for _ in 0..LOOKS {
            let mut idle = true;
            for (drawer, count) in Drawer::ALL.into_iter().zip(&mut done.0) {
                let look = self.look(drawer, forget, random).await?;
                idle &= look.resealed + look.cleared + look.again == 0;
                count.resealed += look.resealed;
                count.cleared += look.cleared;
                // At the last look everything must lie where it belongs: what had to be done then may come again.
                (count.current, count.shut, count.again) =
                    (look.current, look.shut, look.again + look.resealed);
            }
            if idle {
                break;
            }
        }
        let others = if done.left() > 0 { Vec::new() } else { self.seals.marks().await? };
        let gone: Vec<Uuid> = others.iter().filter(|mark| !self.is_own(mark)).map(|mark| mark.id).collect();
        if !gone.is_empty() || done.total(|count| count.resealed + count.cleared) > 0 {
            self.seals.resealed(gone, entry(&done, now)).await?;
        }
        Ok(done)
    }

    /// Goes through a drawer once.
    async fn look(&self, drawer: Drawer, forget: bool, random: &mut StdRng) -> Result<Count, Trouble> {
        let (mut count, mut after) = (Count::default(), None::<Vec<u8>>);
        loop {
            let values = self.seals.sealed(drawer, after.as_deref(), PIECE).await?;
            let Some(last) = values.last().map(|value| value.row.clone()) else { return Ok(count) };
            after = Some(last);
            let (mut anew, mut away) = (Vec::new(), Vec::new());
            for value in values {
                let SealedValue { row, owner, sealed, needed } = value;
                let to = |list: &mut Vec<Replacement>, after| {
                    list.push(Replacement { row: row.clone(), before: sealed.clone(), after });
                };
                if !needed {
                    to(&mut away, None);
                } else if self.sealer.is_current(&sealed, &owner) {
                    count.current += 1;
                } else if let Ok(plain) = self.sealer.open(&sealed, &owner) {
                    let fresh = self.sealer.seal(plain.reveal().as_bytes(), &owner, random);
                    to(&mut anew, Some(fresh.map_err(unsealed)?));
                } else if forget {
                    to(&mut away, None);
                } else {
                    count.shut += 1;
                }
            }
            for (list, done) in [(anew, &mut count.resealed), (away, &mut count.cleared)] {
                let asked = list.len() as u64;
                let replaced = self.replace(drawer, list).await?;
                *done += replaced;
                count.again += asked - replaced.min(asked);
            }
        }
    }

    async fn replace(&self, drawer: Drawer, list: Vec<Replacement>) -> Result<u64, Trouble> {
        if list.is_empty() { Ok(0) } else { self.seals.replace(drawer, list).await }
    }
}

fn unsealed(_: NotOpened) -> Trouble {
    Trouble::Fault("a value could not be sealed".into())
}

/// Nobody but who holds the database and the master keys can do this: the program itself is the actor.
fn entry(done: &Resealed, now: Timestamp) -> AuditEntry {
    let counts = [
        ("resealed", done.total(|count| count.resealed)),
        ("cleared", done.total(|count| count.cleared)),
        ("left", done.left()),
    ];
    AuditEntry {
        time: now,
        tenant: None,
        actor: "latchkey".to_owned(),
        action: "master_key.reseal",
        target: "master_key".to_owned(),
        request_id: "reseal".to_owned(),
        details: BTreeMap::from(counts.map(|(name, count)| (name.to_owned(), count.to_string()))),
    }
}
