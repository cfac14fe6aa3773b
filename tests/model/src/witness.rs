//! Situations that a scenario must reach. Without them a property could hold because nothing ever happens.

use stateright::Property;

use crate::scenario::{Scenario, member};
use crate::state::State;
use crate::world::{FirstOk, Mode, World};

/// Situation that must be reachable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Witness {
    /// A copy allows a Check.
    AllowedByCopy,
    /// A look-up allows a Check and fills the cache.
    AllowedByLookup,
    /// The proxy's copy allows a Check.
    AllowedByProxy,
    /// A revocation is answered after every holder has reported it.
    AnsweredByReports,
    /// A revocation is answered after the lease of a holder that is cut off.
    AnsweredByExpiry,
    /// A call that finds nothing to change is answered.
    AnsweredRetry,
    /// A revocation is committed and answered after a failover.
    AnsweredAfterFailover,
    /// A revocation is answered after a replica has left in order.
    AnsweredAfterLeave,
    /// A revocation is answered after a process was killed.
    AnsweredAfterKill,
    /// A revocation is answered after the row of replica 1 was superseded.
    AnsweredAfterSupersession,
    /// A revocation is answered while a row is missing that was registered.
    AnsweredAfterDeletion,
    /// A revocation is answered while a row fails its checksum.
    AnsweredAfterAlteration,
    /// A revocation is answered after the database's wall clock has jumped.
    AnsweredAfterJump,
    /// A process that starts under a name finds its predecessor alive and ends.
    RefusedByPredecessor,
    /// The new primary has a revocation again that the failover had lost.
    Restored,
}

impl Witness {
    /// Returns the property that the situation is reached.
    pub(crate) fn property(self) -> Property<Scenario> {
        type Condition = fn(&Scenario, &State) -> bool;
        let (name, condition): (_, Condition) = match self {
            Self::AllowedByCopy => {
                ("a copy allows", |_, world| world.replicas.iter().any(Scenario::decides_by_copy))
            }
            Self::AllowedByLookup => ("a look-up allows", |model, world| {
                (0..)
                    .zip(&world.replicas)
                    .any(|(slot, replica)| member(model.looking_up, slot) && replica.cached)
            }),
            Self::AllowedByProxy => ("a proxy allows", |model, world| model.proxy_decides(world)),
            Self::AnsweredByReports => {
                ("a revocation is answered by reports", |_, world| world.answered == FirstOk::Reported)
            }
            Self::AnsweredByExpiry => {
                ("a revocation is answered by expiry", |_, world| world.answered == FirstOk::Expired)
            }
            Self::AnsweredRetry => ("a retry is answered", |_, world| world.answered == FirstOk::Retried),
            _ => self.fault(),
        };
        Property::sometimes(name, condition)
    }

    /// Returns the name and the condition of a situation after a fault.
    fn fault(self) -> (&'static str, fn(&Scenario, &State) -> bool) {
        match self {
            Self::AnsweredAfterFailover => ("a revocation is answered after a failover", |_, world| {
                answered(world) && world.databases[0].history.revocation().is_none() && world.primary == 1
            }),
            Self::AnsweredAfterLeave => ("a revocation is answered after a leave", |_, world| {
                answered(world) && has(world, Mode::Left)
            }),
            Self::AnsweredAfterKill => ("a revocation is answered after a kill", |_, world| {
                answered(world) && has(world, Mode::Dead)
            }),
            Self::AnsweredAfterSupersession => {
                ("a revocation is answered after a supersession", |_, world| {
                    let row = world.databases[0].rows[1];
                    answered(world) && row.is_some_and(|row| row.left) && world.replicas[1].mode == Mode::Dead
                })
            }
            Self::AnsweredAfterDeletion => ("a revocation is answered after a deletion", |_, world| {
                let database = &world.databases[0];
                let missing =
                    |slot: usize| member(database.registered, slot) && database.rows[slot].is_none();
                answered(world) && (0..database.rows.len()).any(missing)
            }),
            Self::AnsweredAfterAlteration => ("a revocation is answered after an alteration", |_, world| {
                let mut rows = world.databases[0].rows.iter().flatten();
                answered(world) && rows.any(|row| row.altered)
            }),
            Self::AnsweredAfterJump => ("a revocation is answered after a jump", |_, world| {
                answered(world) && world.wall_clock_jumped
            }),
            Self::RefusedByPredecessor => ("a process is refused by its predecessor", |_, world| {
                world.challenge.is_some() && world.replicas[2].mode == Mode::Dead
            }),
            _ => ("a lost revocation is restored", |_, world| {
                let applied = world.replicas.iter().any(|replica| replica.had_applied);
                let restored = world.databases[1].history.revocation();
                applied && world.primary == 1 && restored.is_some_and(|revision| revision.origin == 1)
            }),
        }
    }
}

fn answered(world: &World) -> bool {
    world.answered != FirstOk::No
}

fn has(world: &World, mode: Mode) -> bool {
    world.replicas.iter().any(|replica| replica.mode == mode)
}
