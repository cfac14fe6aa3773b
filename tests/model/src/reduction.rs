//! Reductions: state that no later step reads is reset, so that more states are equal.

use crate::database::Revision;
use crate::scenario::{Failover, Scenario, member};
use crate::world::{FirstOk, Mode, Round, SLOTS, World};

impl Scenario {
    /// Resets what no later step reads.
    pub(crate) fn normalize(&self, world: &mut World) {
        if !self.reduced {
            return world.renumber_beats();
        }
        let answered = world.answered != FirstOk::No;
        if answered {
            world.calls = Default::default();
            for replica in &mut world.replicas {
                replica.seen = Default::default();
            }
        }
        if self.is_final(world) {
            if answered {
                forget_rows(world);
            }
            for slot in 0..SLOTS {
                if self.is_settled(world, slot) {
                    world.replicas[slot].trust = 0;
                    world.replicas[slot].round = Round::Idle;
                }
            }
        }
        world.renumber_beats();
    }

    /// Returns true if the history of the primary can only grow.
    pub(crate) fn is_final(&self, world: &World) -> bool {
        self.failover != Failover::Lossy || world.primary == 1
    }

    /// Returns true if a replica allows nothing any more, because it has applied the revocation and the database
    /// can't lose it. Its heartbeats would only make writers wait longer, so it makes none.
    pub(crate) fn is_settled(&self, world: &World, slot: usize) -> bool {
        let replica = &world.replicas[slot];
        let alone = !member(self.looking_up, slot) && self.proxy != Some(slot);
        let history = &world.databases[usize::from(world.primary)].history;
        let revocation = history.revocation().filter(|_| history.contains(replica.applied));
        let applied = revocation.is_some_and(|revision| revision.number <= replica.applied.number);
        self.reduced
            && self.is_final(world)
            && alone
            && replica.mode == Mode::Running
            && !replica.cached
            && applied
    }
}

/// Resets the columns that only writers read, since no call is left.
fn forget_rows(world: &mut World) {
    for row in world.databases.iter_mut().flat_map(|database| database.rows.iter_mut().flatten()) {
        (row.applied, row.beat) = (Revision::default(), 0);
    }
}
