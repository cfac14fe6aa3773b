//! The replica's own row, as the database shows it.

use latchkey_core::ports::{Fleet, ReplicaRow};

use super::{Membership, State};

impl Membership {
    /// Returns the state of the row. `state` says what this replica has written.
    pub(super) fn own_row(&self, fleet: &Fleet, state: &State) -> OwnRow {
        let Some(wrote) = state.announced else { return OwnRow::Missing };
        let written = wrote.beat..=state.sent;
        let others = || fleet.rows.iter().filter(|row| row.replica.id != self.replica.id);
        let named = |row: &ReplicaRow| {
            self.replica.stable_name.is_some()
                && !row.departed
                && row.replica.stable_name == self.replica.stable_name
                && !state.silent.contains(&row.replica.id)
        };
        if let Some(other) = others().find(|row| named(row)) {
            return OwnRow::Taken(self.conflict_text(&other.replica));
        }
        match fleet.rows.iter().find(|row| row.replica.id == self.replica.id) {
            // A revision that was not flushed to disk is lost in a crash of the database, which costs time alone.
            Some(row) if row.announced.is_some_and(|read| written.contains(&read.beat)) && !row.departed => {
                if row.challenged {
                    OwnRow::Challenged
                } else {
                    OwnRow::AsWritten
                }
            }
            Some(_) => OwnRow::Altered,
            None => OwnRow::Missing,
        }
    }
}

/// State of this replica's own row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::follower) enum OwnRow {
    /// The row is as it was written.
    AsWritten,
    /// Another process has challenged this replica to show that it is alive.
    Challenged,
    /// There is no row.
    Missing,
    /// Another program has changed the row.
    Altered,
    /// Another process has registered under this replica's stable name.
    Taken(String),
}
