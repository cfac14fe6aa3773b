//! Clocks: every process counts the ticks of its own monotonic clock, and one clock may lose one tick.

use crate::action::Action;
use crate::scenario::{Scenario, member};
use crate::world::{Call, Replica, Round, SLOTS, World};

/// Number of the proxy among the processes.
const PROXY: usize = SLOTS;

impl Scenario {
    /// Adds a tick of all clocks, and one for each clock that may lose it.
    pub(crate) fn tick_actions(&self, world: &World, actions: &mut Vec<Action>) {
        actions.push(Action::Tick(None));
        let slow = |process: &usize| member(self.slow, *process) && !world.tick_lost;
        actions.extend((0..=PROXY).filter(slow).map(|process| Action::Tick(Some(process))));
    }

    /// Advances every clock but that of one process.
    pub(crate) fn tick(&self, world: &mut World, slow: Option<usize>) {
        world.tick_lost |= slow.is_some();
        for slot in (0..SLOTS).filter(|slot| slow != Some(*slot)) {
            self.advance_replica(&mut world.replicas[slot], slot);
            let served = |call: &&mut Call| usize::from(call.writer) == slot;
            for call in world.calls.iter_mut().filter(served) {
                call.age = if call.revision.number > 0 { self.oldest().min(call.age + 1) } else { 0 };
            }
            if slot == 2 {
                world.challenge = world.challenge.map(|_| 1);
            }
        }
        if slow != Some(PROXY) {
            self.advance_proxy(world);
        }
    }

    /// Advances the clock of a replica. An exchange that is older than the lease can't extend it, so it ends.
    fn advance_replica(&self, replica: &mut Replica, slot: usize) {
        replica.trust = replica.trust.saturating_sub(1);
        replica.granted = replica.granted.saturating_sub(1);
        if let Round::Begun { age } | Round::Committed { age, .. } | Round::Answered { age, .. } =
            &mut replica.round
        {
            *age += 1;
            if *age >= self.leases[slot] {
                replica.round = Round::Idle;
            }
        }
        for seen in replica.seen.iter_mut().filter(|seen| seen.lease > 0) {
            seen.age = self.oldest().min(seen.age + 1);
        }
    }

    /// Advances the clock of the proxy.
    fn advance_proxy(&self, world: &mut World) {
        let proxy = &mut world.proxy;
        proxy.trust = proxy.trust.saturating_sub(1);
        proxy.asked = proxy.asked.map(|age| age + 1);
        if proxy.asked.is_some_and(|age| age >= self.longest_lease()) {
            (proxy.asked, proxy.answer) = (None, None);
        }
    }
}
