//! Rounds and polls of a replica: the heartbeat, the reading of changes, and what follows from a broken history.

use crate::action::Action;
use crate::database::{History, Revision, Write};
use crate::flaw::Flaw;
use crate::life::kill;
use crate::scenario::{Failover, Scenario, member};
use crate::world::{FirstOk, Mode, Round, SLOTS, World};

impl Scenario {
    /// Adds the steps of rounds, polls and reports that are possible.
    pub(crate) fn round_actions(&self, world: &World, actions: &mut Vec<Action>) {
        for slot in (0..SLOTS).filter(|slot| world.replicas[*slot].mode == Mode::Running) {
            match world.replicas[slot].round {
                Round::Idle if self.is_settled(world, slot) => {}
                Round::Idle => {
                    if member(self.leasing, slot) {
                        actions.push(Action::RoundBegins(slot));
                    }
                    if member(self.polling, slot) {
                        actions.extend(databases(world).map(|database| Action::PollReads(slot, database)));
                    }
                }
                Round::Begun { .. } => actions.push(Action::HeartbeatCommits(slot)),
                Round::Committed { .. } if self.has(Flaw::RoundOnTwoDatabases) => {
                    actions.extend(databases(world).map(|database| Action::RoundReads(slot, database)));
                }
                Round::Committed { database, .. } => {
                    actions.push(Action::RoundReads(slot, usize::from(database)));
                }
                Round::Answered { .. } => actions.push(Action::AnswerArrives(slot)),
            }
            if self.has_news(world, slot) {
                actions.push(Action::Reports(slot));
            }
        }
    }

    /// Returns true if a replica's row lacks what it may report.
    fn has_news(&self, world: &World, slot: usize) -> bool {
        let row = world.databases[usize::from(world.primary)].rows[slot];
        let read = world.answered == FirstOk::No || !self.is_final(world);
        read && row
            .is_some_and(|row| !row.left && !row.altered && row.applied != self.reportable(world, slot))
    }

    /// Returns the newest revision that a replica and its proxy have applied. A proxy whose leases are over doesn't
    /// count.
    pub(crate) fn reportable(&self, world: &World, slot: usize) -> Revision {
        let replica = &world.replicas[slot];
        let behind = replica.granted > 0 && replica.acknowledged < replica.applied.number;
        if behind && !self.has(Flaw::ReportBeforeProxy) {
            return Revision { number: replica.acknowledged, origin: 0 };
        }
        replica.applied
    }

    /// Commits a heartbeat. A replica that finds its row missing or altered stops trusting and registers again; one
    /// that finds it superseded ends.
    pub(crate) fn heartbeat(&self, world: &mut World, slot: usize) {
        let Round::Begun { age } = world.replicas[slot].round else { return };
        let applied = self.reportable(world, slot);
        let (beat, database) = (world.next_beat(slot), world.primary);
        let primary = world.primary();
        match &mut primary.rows[slot] {
            Some(row) if row.left => return kill(world, slot),
            Some(row) if !row.altered => (row.beat, row.applied) = (beat, applied),
            None if self.has(Flaw::MissingRowUnnoticed) && primary.registered & (1 << slot) != 0 => {}
            _ => {
                primary.register(slot, self.leases[slot]);
                if let Some(row) = &mut primary.rows[slot] {
                    row.beat = if self.has(Flaw::BeatStartsAgain) { 0 } else { beat };
                    row.applied = applied;
                }
                world.replicas[slot].trust = 0;
            }
        }
        world.replicas[slot].round = Round::Committed { age, database };
    }

    /// Reads the changes for a round.
    pub(crate) fn read_round(&self, world: &mut World, slot: usize, database: usize) {
        let Round::Committed { age, .. } = world.replicas[slot].round else { return };
        if member(self.remembering, slot) {
            self.observe(world, slot, database);
        }
        let history = world.databases[database].history;
        let database = u8::try_from(database).unwrap_or_default();
        world.replicas[slot].round = Round::Answered { age, database, history, extends: true };
        if !member(self.delayed, slot) {
            self.apply(world, slot);
        }
    }

    /// Reads the changes for a poll, and the replica's own row.
    pub(crate) fn read_poll(&self, world: &mut World, slot: usize, database: usize) {
        if member(self.remembering, slot) {
            self.observe(world, slot, database);
        }
        let history = world.databases[database].history;
        let row = world.databases[database].rows[slot];
        let read = u8::try_from(database).unwrap_or_default();
        let extends = self.has(Flaw::LeaseWithoutHeartbeat);
        // An old primary knows less of the row. A replica that ignores it there keeps more trust.
        if read == world.primary && !self.has(Flaw::MissingRowUnnoticed) {
            match row {
                Some(row) if row.left => return kill(world, slot),
                Some(row) if !row.altered => {}
                _ => world.replicas[slot].trust = 0,
            }
        }
        world.replicas[slot].round = Round::Answered { age: 0, database: read, history, extends };
        if !member(self.delayed, slot) {
            self.apply(world, slot);
        }
    }

    /// Applies an answer, and extends the lease if it belongs to a round.
    pub(crate) fn apply(&self, world: &mut World, slot: usize) {
        let Round::Answered { age, database, history, extends } = world.replicas[slot].round else { return };
        world.replicas[slot].round = Round::Idle;
        if self.is_broken(history, world.replicas[slot].applied) {
            if self.has(Flaw::ResetForgetsTombstones) {
                world.replicas[slot].tombstone = false;
                self.reload(world, slot, history);
            }
            if !extends || !self.repair(world, slot, database) {
                return;
            }
        } else if world.replicas[slot].loaded {
            self.advance(world, slot, history);
        } else {
            self.reload(world, slot, history);
        }
        if extends {
            let had_applied = self.failover == Failover::Lossy && world.replicas[slot].had_applied;
            world.returned |=
                had_applied && world.databases[usize::from(database)].history.revocation().is_none();
            let age = if self.has(Flaw::LeaseFromEndOfRound) { 0 } else { age };
            let replica = &mut world.replicas[slot];
            replica.trust = replica.trust.max(self.leases[slot].saturating_sub(age));
        }
    }

    /// Returns true if a history lacks what the replica has applied.
    fn is_broken(&self, history: History, applied: Revision) -> bool {
        if self.has(Flaw::HeadsComparedOnly) {
            return history.head().number < applied.number;
        }
        !history.contains(applied)
    }

    /// Applies the changes of a history that continues what the replica has.
    fn advance(&self, world: &mut World, slot: usize, history: History) {
        let replica = &mut world.replicas[slot];
        replica.applied = history.head();
        if history.revocation().is_some() {
            replica.cached = false;
            replica.had_applied = true;
            replica.tombstone = !self.narrowing;
        }
    }

    /// Writes again what the replica had applied and the database has lost, and reloads the state. Returns false if
    /// the database accepts no commit.
    fn repair(&self, world: &mut World, slot: usize, database: u8) -> bool {
        if database != world.primary {
            return false;
        }
        let tombstone = world.replicas[slot].tombstone && !self.has(Flaw::NoReapplication);
        let primary = world.primary();
        if tombstone && primary.history.revocation().is_none() {
            primary.history.append(Write::Revocation, database);
        }
        let history = primary.history;
        self.reload(world, slot, history);
        true
    }

    /// Takes the present state of a database as the replica's copy.
    fn reload(&self, world: &mut World, slot: usize, history: History) {
        let replica = &mut world.replicas[slot];
        replica.loaded = true;
        replica.applied = history.head();
        replica.cached = history.revocation().is_none() && !member(self.looking_up, slot);
    }
}

/// Returns the databases that can be read.
pub(crate) fn databases(world: &World) -> impl Iterator<Item = usize> + use<> {
    0..=usize::from(world.primary)
}
