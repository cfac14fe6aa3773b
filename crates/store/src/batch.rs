//! Group commit. Every write needs the head row until its commit, and a commit waits for the disk. Writes that
//! arrive while a transaction runs therefore share the next one: it writes the rows of all, takes the head row
//! once, and gives each write its own revision, change-feed row and audit event, in the order of arrival. Replicas take
//! turns, so that a transaction has most of the writes that arrived during the one before it.
//!
//! A write is never delayed to wait for others. Each caller gets its own answer, and each write is done entirely
//! or not at all: if a statement of a shared transaction fails, the transaction is rolled back and each of its
//! writes runs in a transaction of its own. Only a failed commit is the answer for all of them, since it is
//! unknown whether it took place.
//!
//! A caller that gives up does not stop a transaction that others share. A write whose caller has given up before
//! its transaction starts is dropped.

mod queue;
mod shared_write;
mod transaction;
mod turn;

pub(crate) use queue::WriteQueue;
pub(crate) use shared_write::{FamilyStart, KeyCreation, SharedWrite, TokenRedemption};
