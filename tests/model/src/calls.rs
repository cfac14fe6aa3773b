//! Calls that revoke the key: the commit, the list of holders, the wait, and the answer.

use crate::action::Action;
use crate::database::{Database, Row, Write};
use crate::flaw::Flaw;
use crate::rounds::databases;
use crate::scenario::{Failover, Scenario, member};
use crate::world::{Call, FirstOk, Mark, Mode, SLOTS, Seen, Stage, World};

/// Every holder.
const EVERY: u8 = (1 << SLOTS) - 1;

impl Scenario {
    /// Adds the steps of calls that are possible. After the first OK only Checks matter.
    pub(crate) fn call_actions(&self, world: &World, actions: &mut Vec<Action>) {
        if world.answered != FirstOk::No {
            return;
        }
        for (number, call) in world.calls[..self.calls].iter().enumerate() {
            match call.stage {
                Stage::Idle => {
                    let serves = |slot: &usize| {
                        member(self.writers, *slot) && world.replicas[*slot].mode == Mode::Running
                    };
                    for writer in (0..SLOTS).filter(serves) {
                        actions.push(if self.has(Flaw::ListBeforeCommit) {
                            Action::CallPrepares(number, writer)
                        } else {
                            Action::CallCommits(number, writer)
                        });
                    }
                }
                Stage::Prepared => actions.push(Action::CallCommits(number, usize::from(call.writer))),
                Stage::Waiting => {
                    if self.deadlines {
                        actions.push(Action::CallExpires(number));
                    }
                    let usable = databases(world).filter(|database| self.is_usable(world, call, *database));
                    actions.extend(usable.map(|database| Action::CallLists(number, database)));
                    if self.is_complete(world, call) {
                        actions.push(Action::CallAnswers(number));
                    }
                }
            }
        }
    }

    /// Reads the list of holders before the commit, as a flawed writer does.
    pub(crate) fn prepare(world: &mut World, number: usize, writer: usize) {
        let holders = world.primary().registered;
        let writer = u8::try_from(writer).unwrap_or_default();
        world.calls[number] = Call { stage: Stage::Prepared, writer, holders, ..Call::default() };
    }

    /// Commits the revocation, or finds that it is committed already.
    pub(crate) fn commit(world: &mut World, number: usize, writer: usize) {
        let holders = match world.calls[number].stage {
            Stage::Prepared => world.calls[number].holders,
            Stage::Idle | Stage::Waiting => EVERY,
        };
        let origin = world.primary;
        let history = &mut world.primary().history;
        let present = history.revocation();
        let revision = present.unwrap_or_else(|| history.append(Write::Revocation, origin));
        let (writer, retry) = (u8::try_from(writer).unwrap_or_default(), present.is_some());
        world.calls[number] =
            Call { stage: Stage::Waiting, writer, revision, retry, holders, ..Call::default() };
    }

    /// Returns true if a list of holders that is read from this database may count.
    fn is_usable(&self, world: &World, call: &Call, database: usize) -> bool {
        self.has(Flaw::ListFromStaleServer) || world.databases[database].history.contains(call.revision)
    }

    /// Reads the list of holders. The answer counts at once, because a later arrival only makes the writer wait longer.
    pub(crate) fn list(&self, world: &mut World, number: usize, database: usize) {
        let mut call = world.calls[number];
        let writer = usize::from(call.writer);
        self.observe(world, writer, database);
        let read = world.databases[database];
        call.listed = true;
        call.unknown = false;
        for holder in (0..SLOTS).filter(|holder| *holder != writer) {
            let lease = world.replicas[writer].seen[holder].lease;
            let row = read.rows[holder];
            let reported = row.is_some_and(|row| self.has_reported(world, &call, database, row));
            let ignored = reported || !member(call.holders, holder);
            let expired = self.has(Flaw::WallClock) && world.wall_clock_jumped;
            call.pending[holder] = if ignored || expired { 0 } else { lease };
            let missing = member(read.registered, holder) && row.is_none() && lease == 0;
            let counted = ![Flaw::RegistrationsNotCounted, Flaw::DeletedIsForgotten]
                .into_iter()
                .any(|flaw| self.has(flaw));
            call.unknown |= missing && counted;
        }
        world.calls[number] = call;
    }

    /// Returns true if a row reports the revision of a call.
    fn has_reported(&self, world: &World, call: &Call, database: usize, row: Row) -> bool {
        if row.altered {
            return self.has(Flaw::AlteredRowBelieved);
        }
        let history = &world.databases[database].history;
        let same = history.contains(row.applied) || self.has(Flaw::NumbersComparedOnly);
        same && row.applied.number >= call.revision.number
    }

    /// Records the rows of the other holders in a replica's memory.
    pub(crate) fn observe(&self, world: &mut World, reader: usize, database: usize) {
        let Database { rows, registrations, .. } = world.databases[database];
        let timeline = u8::try_from(database).unwrap_or_default();
        for holder in (0..SLOTS).filter(|holder| *holder != reader) {
            let seen = world.replicas[reader].seen[holder];
            let longest = if seen.lease > 0 { seen.lease } else { self.longest_lease() };
            let (lease, mark) = match rows[holder] {
                Some(row) if row.left => (0, Mark::Unseen),
                Some(row) if row.altered => (longest, Mark::Altered(timeline, row.beat)),
                Some(row) => (row.lease, Mark::Beat(timeline, row.beat)),
                None if seen.lease == 0 || self.has(Flaw::DeletedIsForgotten) => (0, Mark::Unseen),
                None => (seen.lease, Mark::Missing(registrations)),
            };
            let vanished = matches!(mark, Mark::Missing(_));
            let repeated = vanished && matches!(seen.mark, Mark::Missing(_));
            let same = mark == seen.mark
                || (vanished && self.has(Flaw::VanishedRowAgesOn))
                || (repeated && self.has(Flaw::RepeatedRegistrationUnseen));
            let age = if same { seen.age } else { 0 };
            world.replicas[reader].seen[holder] = Seen { lease, mark, age };
        }
    }

    /// Returns true if a call may be answered with OK.
    fn is_complete(&self, world: &World, call: &Call) -> bool {
        if call.retry && self.has(Flaw::RetryWaitsForNothing) {
            return true;
        }
        let writer = usize::from(call.writer);
        let replica = &world.replicas[writer];
        let own = self.reportable(world, writer);
        let history = &world.databases[usize::from(world.primary)].history;
        let same = history.contains(own) || self.has(Flaw::NumbersComparedOnly);
        let applied = (same && own.number >= call.revision.number)
            || self.own_lease_is_over(world, call)
            || self.has(Flaw::OwnCopyIgnored);
        let margin = self.margin();
        let holders = (0..SLOTS).all(|holder| match call.pending[holder] {
            0 => true,
            _ if self.has(Flaw::OwnLease) => call.age >= self.leases[writer] + margin,
            lease => call.age.max(replica.seen[holder].age) >= lease + margin,
        });
        let unknown = call.unknown && call.age < self.longest_lease() + margin;
        call.listed && applied && holders && !unknown
    }

    /// Returns true if the writer and its proxy can trust nothing older than the commit. A lease that is over can still
    /// be extended by a round that began before the commit, so the time since the commit counts.
    fn own_lease_is_over(&self, world: &World, call: &Call) -> bool {
        let writer = usize::from(call.writer);
        let replica = &world.replicas[writer];
        let elapsed = call.age >= self.leases[writer] || self.has(Flaw::OwnRoundInFlight);
        elapsed && replica.trust == 0 && replica.granted == 0
    }

    /// Answers a call with OK. A revocation that the primary doesn't have any more is none that the promise covers.
    pub(crate) fn answer(world: &mut World, number: usize) {
        let call = std::mem::take(&mut world.calls[number]);
        if !world.primary().history.contains(call.revision) {
            return;
        }
        world.answered = match call {
            Call { retry: true, .. } => FirstOk::Retried,
            Call { pending: [0, 0, 0], .. } => FirstOk::Reported,
            _ => FirstOk::Expired,
        };
    }

    /// Makes the standby the primary.
    pub(crate) fn fail_over(&self, world: &mut World) {
        if self.failover == Failover::Kept {
            world.databases[1] = world.databases[0];
        }
        world.primary = 1;
        if world.databases[1].history.revocation().is_none() {
            world.answered = FirstOk::No;
            for check in world.replicas.iter_mut().filter_map(|replica| replica.check.as_mut()) {
                check.late = false;
            }
        }
    }
}
