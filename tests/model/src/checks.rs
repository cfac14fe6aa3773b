//! Checks: those that need a look-up take several steps, and those that a copy answers are a property of the state.

use crate::action::Action;
use crate::database::{History, Revision};
use crate::flaw::Flaw;
use crate::rounds::databases;
use crate::scenario::{Failover, Scenario, member};
use crate::world::{Check, FirstOk, Mode, Replica, SLOTS, World};

impl Scenario {
    /// Adds the steps of Checks with a look-up that are possible.
    pub(crate) fn check_actions(&self, world: &World, actions: &mut Vec<Action>) {
        let looks_up =
            |slot: &usize| member(self.looking_up, *slot) && world.replicas[*slot].mode == Mode::Running;
        for slot in (0..SLOTS).filter(looks_up) {
            let replica = &world.replicas[slot];
            match replica.check {
                None if !replica.cached => actions.push(Action::CheckBegins(slot)),
                None => {}
                Some(check) if check.answer.is_some() => actions.push(Action::LookupArrives(slot)),
                Some(check) => {
                    if replica.trust > 0 && check.floor.is_none() {
                        actions.push(Action::CheckFindsLease(slot));
                    }
                    let leased = match check.floor {
                        Some(_) => replica.trust > 0 || !self.has(Flaw::FloorFromBeginOfCheck),
                        None => self.has(Flaw::DecisionWithoutLease),
                    };
                    if leased {
                        actions.extend(databases(world).map(|database| Action::LookupReads(slot, database)));
                    }
                }
            }
        }
    }

    /// Begins a Check.
    pub(crate) fn begin_check(&self, world: &mut World, slot: usize) {
        let late = world.answered != FirstOk::No;
        let replica = &mut world.replicas[slot];
        let leased = replica.trust > 0 || self.has(Flaw::FloorFromBeginOfCheck);
        let floor = leased.then_some(replica.applied);
        replica.check = Some(Check { late, floor, answer: None });
    }

    /// Lets a Check continue that has waited for a lease.
    pub(crate) fn find_lease(world: &mut World, slot: usize) {
        let replica = &mut world.replicas[slot];
        if let Some(check) = &mut replica.check {
            check.floor = Some(replica.applied);
        }
    }

    /// Reads the key in a database.
    pub(crate) fn look_up(world: &mut World, slot: usize, database: usize) {
        let history = world.databases[database].history;
        if let Some(check) = &mut world.replicas[slot].check {
            check.answer = Some(history);
        }
    }

    /// Decides by the answer of a look-up, and keeps it in the cache.
    pub(crate) fn decide(&self, world: &mut World, slot: usize) {
        let replica = &mut world.replicas[slot];
        let Some(Check { late, floor, answer: Some(history) }) = replica.check.take() else { return };
        let usable = floor.is_none_or(|floor| self.reaches(history, floor));
        if !usable && !self.has(Flaw::OlderLookupAccepted) {
            replica.check = Some(Check { late, floor, answer: None });
            return;
        }
        let valid = history.revocation().is_none();
        let allowed = valid && (!replica.tombstone || self.has(Flaw::NoTombstones));
        let current = self.reaches(history, replica.applied) || self.has(Flaw::LateFill);
        let returned = allowed && replica.had_applied && self.failover == Failover::Lossy;
        replica.cached |= allowed && current && replica.loaded;
        world.admitted |= allowed && late;
        world.returned |= returned;
    }

    /// Returns true if the history of a look-up goes as far as a revision.
    fn reaches(&self, history: History, revision: Revision) -> bool {
        let numbers = self.has(Flaw::LookupNumbersCompared) && history.head().number >= revision.number;
        history.contains(revision) || numbers
    }

    /// Returns true if a replica allows a Check by its copy.
    pub(crate) fn decides_by_copy(replica: &Replica) -> bool {
        replica.mode == Mode::Running && replica.trust > 0 && replica.cached && !replica.tombstone
    }

    /// Returns true if the proxy allows a Check by its copy.
    pub(crate) fn proxy_decides(&self, world: &World) -> bool {
        self.proxy.is_some() && world.proxy.trust > 0 && world.proxy.cached
    }

    /// Returns true if a Check that begins now is allowed although the revocation was answered with OK.
    pub(crate) fn breaks_promise(&self, world: &World) -> bool {
        let allowed = world.replicas.iter().any(Self::decides_by_copy) || self.proxy_decides(world);
        world.admitted || (world.answered != FirstOk::No && allowed)
    }

    /// Returns true if a revocation has come back that a living replica has applied: at the replica itself, or because
    /// its lease was extended on a database that lacks it.
    pub(crate) fn comes_back(&self, world: &World) -> bool {
        let again = |replica: &Replica| replica.had_applied && Self::decides_by_copy(replica);
        self.failover == Failover::Lossy && (world.returned || world.replicas.iter().any(again))
    }
}
