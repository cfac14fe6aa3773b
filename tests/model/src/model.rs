//! Model for the checker: possible actions, their effects, and the properties.

use stateright::{Model, Property};

use crate::action::Action;
use crate::database::Write;
use crate::life::{drain, kill, leave, mark_left, start};
use crate::scenario::{Failover, Scenario, member};
use crate::state::State;
use crate::world::{Call, Mode, Round, SLOTS, World};

/// Name of the property that no Check which begins after the OK of a revocation is allowed by the key.
pub const PROMISE: &str = "no check that begins after the answer is allowed";
/// Name of the property that a revocation which a living replica has applied doesn't come back.
pub const KEPT: &str = "what a living replica has applied does not come back";

impl Scenario {
    /// Adds the steps of the operators and of the database that are possible.
    fn environment_actions(&self, world: &World, actions: &mut Vec<Action>) {
        let rows = &world.databases[usize::from(world.primary)].rows;
        for slot in (0..SLOTS).filter(|slot| world.interventions > 0 && rows[*slot].is_some()) {
            if member(self.deleted, slot) {
                actions.push(Action::RowIsDeleted(slot));
            }
            if member(self.altered, slot) {
                actions.push(Action::RowIsAltered(slot));
            }
        }
        if self.wall_clock && !world.wall_clock_jumped {
            actions.push(Action::WallClockJumps);
        }
        if world.other_writes > 0 {
            actions.push(Action::OtherWriteCommits);
        }
        if self.failover != Failover::None && world.primary == 0 {
            actions.push(Action::FailsOver);
            if self.failover == Failover::Lossy && world.databases[0] != world.databases[1] {
                actions.push(Action::StandbyCatchesUp);
            }
        }
    }

    /// Takes a step of the environment.
    fn step_environment(&self, world: &mut World, action: Action) {
        match action {
            Action::Tick(slow) => self.tick(world, slow),
            Action::RowIsDeleted(slot) => {
                world.interventions -= 1;
                world.primary().rows[slot] = None;
            }
            Action::RowIsAltered(slot) => {
                world.interventions -= 1;
                if let Some(row) = &mut world.primary().rows[slot] {
                    row.altered = true;
                }
            }
            Action::WallClockJumps => world.wall_clock_jumped = true,
            Action::OtherWriteCommits => {
                world.other_writes -= 1;
                let origin = world.primary;
                world.primary().history.append(Write::Other, origin);
            }
            Action::StandbyCatchesUp => world.databases[1] = world.databases[0],
            Action::FailsOver => self.fail_over(world),
            _ => {}
        }
    }

    /// Takes a step of a replica's life, or of the proxy.
    fn step_process(&self, world: &mut World, action: Action) {
        match action {
            Action::Starts(slot) => start(world, slot),
            Action::Challenges => world.challenge = Some(0),
            Action::ChallengeIsAnswered => world.replicas[2].mode = Mode::Dead,
            Action::Supersedes => mark_left(world, 1),
            Action::IsKilled(slot) => kill(world, slot),
            Action::Drains(slot) => drain(world, slot),
            Action::Leaves(slot) => leave(world, slot),
            Action::ProxyAsks => world.proxy.asked = Some(0),
            Action::ProxyIsServed => self.serve_proxy(world, self.proxy.unwrap_or_default()),
            Action::ProxyAnswerArrives => Self::apply_at_proxy(world),
            Action::ProxyAcknowledges => {
                world.replicas[self.proxy.unwrap_or_default()].acknowledged = world.proxy.applied;
            }
            _ => self.step_environment(world, action),
        }
    }

    /// Takes a step.
    fn step(&self, world: &mut World, action: Action) {
        match action {
            Action::RoundBegins(slot) => world.replicas[slot].round = Round::Begun { age: 0 },
            Action::HeartbeatCommits(slot) => self.heartbeat(world, slot),
            Action::RoundReads(slot, database) => self.read_round(world, slot, database),
            Action::PollReads(slot, database) => self.read_poll(world, slot, database),
            Action::AnswerArrives(slot) => self.apply(world, slot),
            Action::Reports(slot) => {
                let applied = self.reportable(world, slot);
                if let Some(row) = &mut world.primary().rows[slot] {
                    row.applied = applied;
                }
            }
            Action::CheckBegins(slot) => self.begin_check(world, slot),
            Action::CheckFindsLease(slot) => Self::find_lease(world, slot),
            Action::LookupReads(slot, database) => Self::look_up(world, slot, database),
            Action::LookupArrives(slot) => self.decide(world, slot),
            Action::CallPrepares(call, writer) => Self::prepare(world, call, writer),
            Action::CallCommits(call, writer) => Self::commit(world, call, writer),
            Action::CallLists(call, database) => self.list(world, call, database),
            Action::CallAnswers(call) => Self::answer(world, call),
            Action::CallExpires(call) => world.calls[call] = Call::default(),
            _ => self.step_process(world, action),
        }
    }
}

impl Model for Scenario {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![State(self.begin())]
    }

    fn actions(&self, world: &State, actions: &mut Vec<Action>) {
        self.tick_actions(world, actions);
        self.round_actions(world, actions);
        self.check_actions(world, actions);
        self.call_actions(world, actions);
        self.proxy_actions(world, actions);
        self.life_actions(world, actions);
        self.environment_actions(world, actions);
    }

    fn next_state(&self, world: &State, action: Action) -> Option<State> {
        let mut next = world.0;
        self.step(&mut next, action);
        self.normalize(&mut next);
        Some(State(next))
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let mut properties = vec![
            Property::always(PROMISE, |model: &Self, world: &State| !model.breaks_promise(world)),
            Property::always(KEPT, |model: &Self, world: &State| !model.comes_back(world)),
        ];
        if self.flaw.is_none() {
            properties.extend(self.witnesses.iter().map(|witness| witness.property()));
        }
        properties
    }
}
