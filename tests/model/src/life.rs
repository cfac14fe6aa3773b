//! Life of a replica: its start, alone or under the name of replica 1, its drain, and its end.

use crate::action::Action;
use crate::flaw::Flaw;
use crate::scenario::{Restart, Scenario, member};
use crate::world::{Call, Mark, Mode, Replica, Stage, World};

impl Scenario {
    /// Adds the steps of starts, drains and kills that are possible.
    pub(crate) fn life_actions(&self, world: &World, actions: &mut Vec<Action>) {
        for (slot, replica) in world.replicas.iter().enumerate() {
            if self.may_start(world, slot) {
                actions.push(Action::Starts(slot));
            }
            if member(self.killed, slot) && matches!(replica.mode, Mode::Running | Mode::Draining) {
                actions.push(Action::IsKilled(slot));
            }
            if !member(self.drained, slot) {
                continue;
            }
            match replica.mode {
                Mode::Running if self.has(Flaw::LeaveBeforeDistrust) => actions.push(Action::Leaves(slot)),
                Mode::Running => actions.push(Action::Drains(slot)),
                Mode::Draining if replica.granted == 0 || self.has(Flaw::LeaveBeforeProxy) => {
                    actions.push(Action::Leaves(slot));
                }
                _ => {}
            }
        }
        self.restart_actions(world, actions);
    }

    /// Adds the steps of a restart under the name of replica 1.
    fn restart_actions(&self, world: &World, actions: &mut Vec<Action>) {
        let [_, old, new] = &world.replicas;
        match (self.restart, new.mode) {
            (Restart::OtherMachine, Mode::Absent) if world.challenge.is_none() => {
                actions.push(Action::Challenges);
            }
            (Restart::OtherMachine, Mode::Absent) if old.mode == Mode::Running => {
                actions.push(Action::ChallengeIsAnswered);
            }
            (Restart::SameMachine | Restart::OtherMachine, Mode::Running) if self.may_supersede(world) => {
                actions.push(Action::Supersedes);
            }
            _ => {}
        }
    }

    /// Returns true if the process in a slot may start now.
    fn may_start(&self, world: &World, slot: usize) -> bool {
        let waiting = member(self.starting, slot) && world.replicas[slot].mode == Mode::Absent;
        let named = slot == 2 && !self.has(Flaw::RestartWithoutFence);
        waiting
            && match self.restart {
                Restart::SameMachine if named => world.replicas[1].mode == Mode::Dead,
                Restart::OtherMachine if named => world.challenge == Some(1),
                _ => true,
            }
    }

    /// Returns true if the row of the predecessor is there and nothing can trust by it.
    fn may_supersede(&self, world: &World) -> bool {
        let seen = world.replicas[2].seen[1];
        let Some(row) = world.databases[usize::from(world.primary)].rows[1] else { return false };
        let expired = seen.lease > 0
            && seen.mark == Mark::Beat(world.primary, row.beat)
            && seen.age >= seen.lease + self.margin();
        let proved = self.restart == Restart::SameMachine && self.proxy.is_none();
        let flawed = [Flaw::RestartWithoutFence, Flaw::ChallengeAlone, Flaw::SupersedeBeforeProxy];
        !row.left && (expired || proved || flawed.into_iter().any(|flaw| self.has(flaw)))
    }
}

/// Starts a process.
pub(crate) fn start(world: &mut World, slot: usize) {
    world.replicas[slot].mode = Mode::Running;
}

/// Ends a process; its calls and its memory are lost.
pub(crate) fn kill(world: &mut World, slot: usize) {
    world.replicas[slot] = Replica { mode: Mode::Dead, ..Replica::default() };
    end_calls(world, slot);
}

/// Stops a process from deciding and from trusting. It still owes its proxy the end of the leases.
pub(crate) fn drain(world: &mut World, slot: usize) {
    let granted = world.replicas[slot].granted;
    world.replicas[slot] = Replica { mode: Mode::Draining, granted, ..Replica::default() };
    end_calls(world, slot);
}

/// Marks the row of a process as left.
pub(crate) fn leave(world: &mut World, slot: usize) {
    mark_left(world, slot);
    if world.replicas[slot].mode == Mode::Draining {
        world.replicas[slot] = Replica { mode: Mode::Left, ..Replica::default() };
    }
}

/// Marks a row as left, by its process or by one that supersedes it.
pub(crate) fn mark_left(world: &mut World, slot: usize) {
    let beat = world.next_beat(slot);
    if let Some(row) = &mut world.primary().rows[slot] {
        (row.left, row.beat) = (true, beat);
    }
}

/// Ends the calls that a process serves.
fn end_calls(world: &mut World, slot: usize) {
    for call in &mut world.calls {
        if call.stage != Stage::Idle && usize::from(call.writer) == slot {
            *call = Call::default();
        }
    }
}
