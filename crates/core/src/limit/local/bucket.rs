//! State of one bucket in this process: the spent tokens, and the time from which they no longer count. The free room
//! is computed by the limit of each call, so that a change of the limit drops no spent tokens. The arithmetic is that
//! of [`Level`], in whole parts of a token; `charge.lua` of the Redis limiter computes the same.
//!
//! What is spent is counted in an account for each rate of a token bucket, in one for fixed windows, and in one for sliding
//! windows. A charge counts in all of them, and each refills by its own rate alone, so that no call refills what another
//! limit counts. Nearly all buckets have one account.

mod account;
mod fixed;
mod sliding;
mod token;

use smallvec::SmallVec;

use self::account::{Account, Rank};
use crate::limit::{BucketAlgorithm, BucketCharge, Level};
use crate::time::MonotonicInstant;

/// Most accounts besides the present one.
const MAX_OTHERS: usize = 7;

/// A bucket.
#[derive(Clone, Debug)]
pub(super) struct Bucket {
    /// Account of the last call's limit.
    present: Account,
    /// Accounts of other limits; none after calls under one limit alone.
    others: Option<Box<Others>>,
}

/// Accounts of other limits of a bucket.
#[derive(Clone, Debug, Default)]
struct Others(Vec<Account>);

/// Whole tokens that are spent, and the time from which on none of them counts.
#[derive(Clone, Copy, Debug)]
struct SpentTotal {
    tokens: u64,
    until: MonotonicInstant,
}

impl Bucket {
    pub(super) fn full(charge: &BucketCharge, now: MonotonicInstant) -> Self {
        Self { present: Account::empty(charge, now), others: None }
    }

    /// Brings the bucket up to `now`, and applies the present limit.
    pub(super) fn refill(&mut self, charge: &BucketCharge, now: MonotonicInstant) {
        self.present.advance(now);
        if let Some(others) = &mut self.others {
            others.0.iter_mut().for_each(|other| other.advance(now));
            if self.total(now).tokens == 0 {
                self.others = None;
            }
        }
        if !self.present.is_of(charge) {
            self.turn_to(charge, now);
        }
        if self.present.adopt(charge, self.others.is_none(), now) {
            self.inherit(false, now);
        }
    }

    pub(super) fn has(&self, charge: &BucketCharge, tokens: u64, now: MonotonicInstant) -> bool {
        self.present.has(charge, tokens, now)
    }

    pub(super) fn consume(&mut self, tokens: u64, now: MonotonicInstant) {
        if tokens == 0 {
            return;
        }
        let Some(others) = &mut self.others else {
            self.present.charge(tokens, now);
            return;
        };
        let ranks = others.ranks(&self.present);
        for other in &mut others.0 {
            other.charge_up_to(tokens, most(&ranks, other.rank()), false, now);
        }
        self.present.charge_up_to(tokens, most(&ranks, self.present.rank()), true, now);
    }

    /// Lowers the bucket to at most `tokens` tokens.
    pub(super) fn cap(&mut self, charge: &BucketCharge, tokens: u64, now: MonotonicInstant) {
        self.present.cap(charge, tokens, now);
    }

    pub(super) fn is_full(&self, now: MonotonicInstant) -> bool {
        self.accounts().all(|account| account.is_full(now))
    }

    pub(super) fn level(&self, charge: &BucketCharge, cost: u64, now: MonotonicInstant) -> Level {
        self.present.level(charge, cost, now)
    }

    /// Makes the account of this call's limit the present one. A new one counts what the others have counted.
    fn turn_to(&mut self, charge: &BucketCharge, now: MonotonicInstant) {
        let total = self.total(now);
        if self.others.is_none() && total.tokens == 0 {
            self.present = Account::empty(charge, now);
            return;
        }
        let others = self.others.get_or_insert_default();
        if let Some(known) = others.0.iter_mut().find(|other| other.is_of(charge)) {
            std::mem::swap(&mut self.present, known);
            return;
        }
        let before = std::mem::replace(&mut self.present, Account::of(charge, total, now));
        others.0.push(before);
        self.inherit(true, now);
        if let Some(others) = &mut self.others {
            others.drop_one(now);
        }
    }

    /// Counts in a token bucket what other accounts have counted: in a new one what all have, otherwise what those with a
    /// higher rate have, of which it counted no more than its capacity.
    fn inherit(&mut self, is_new: bool, now: MonotonicInstant) {
        let Some(others) = &self.others else { return };
        let rank = self.present.rank();
        let most = most(&others.ranks(&self.present), rank);
        for other in others.0.iter().filter(|other| is_new || !other.rank().is_at_most(rank)) {
            self.present.raise(other.total(now).tokens.min(most));
        }
    }

    /// Returns the most that an account counts, and the time from which on none counts anything.
    fn total(&self, now: MonotonicInstant) -> SpentTotal {
        let nothing = SpentTotal { tokens: 0, until: now };
        self.accounts().map(|account| account.total(now)).fold(nothing, |one, other| SpentTotal {
            tokens: one.tokens.max(other.tokens),
            until: one.until.max(other.until),
        })
    }

    fn accounts(&self) -> impl Iterator<Item = &Account> {
        let others = self.others.iter().flat_map(|others| &others.0);
        std::iter::once(&self.present).chain(others)
    }
}

impl Others {
    /// Returns the ranks of all accounts of the bucket.
    fn ranks(&self, present: &Account) -> SmallVec<[Rank; 8]> {
        self.0.iter().chain([present]).map(Account::rank).collect()
    }

    /// Drops the token bucket with the highest rate if there are too many accounts. The next slower one counts what it
    /// counted.
    fn drop_one(&mut self, now: MonotonicInstant) {
        if self.0.len() <= MAX_OTHERS {
            return;
        }
        let (mut fastest, mut second) = (None::<(usize, Rank)>, None::<(usize, Rank)>);
        let is_token = |account: &Account| account.algorithm() == BucketAlgorithm::TokenBucket;
        for (place, account) in self.0.iter().enumerate().filter(|(_, account)| is_token(account)) {
            let rank = account.rank();
            if fastest.is_none_or(|(_, before)| before.is_at_most(rank)) {
                (fastest, second) = (Some((place, rank)), fastest);
            } else if second.is_none_or(|(_, before)| before.is_at_most(rank)) {
                second = Some((place, rank));
            }
        }
        let (Some((fastest, _)), Some((second, _))) = (fastest, second) else { return };
        let dropped = self.0[fastest].clone();
        self.0[second].absorb(&dropped, now);
        self.0.remove(fastest);
    }
}

/// Returns the most that charges raise a token bucket to: the largest capacity of the limits whose rate is no higher. More
/// would keep calls from passing for longer than such a bucket takes to fill, however much passed under a higher rate.
fn most(ranks: &[Rank], rank: Rank) -> u64 {
    ranks.iter().filter(|other| other.is_at_most(rank)).map(|other| other.capacity).max().unwrap_or(0)
}
