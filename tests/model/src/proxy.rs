//! Proxy that follows a replica: it takes the replica's state and a lease which ends no later than the replica's own.

use crate::action::Action;
use crate::flaw::Flaw;
use crate::scenario::Scenario;
use crate::world::{Mode, World};

impl Scenario {
    /// Adds the steps of the proxy that are possible.
    pub(crate) fn proxy_actions(&self, world: &World, actions: &mut Vec<Action>) {
        let Some(slot) = self.proxy else { return };
        let (proxy, replica) = (&world.proxy, &world.replicas[slot]);
        let serves = replica.mode == Mode::Running;
        match (proxy.asked, proxy.answer) {
            (None, _) => actions.push(Action::ProxyAsks),
            (Some(_), None) if serves && replica.trust > 0 => actions.push(Action::ProxyIsServed),
            (Some(_), None) => {}
            (Some(_), Some(_)) => actions.push(Action::ProxyAnswerArrives),
        }
        if serves && replica.acknowledged < proxy.applied {
            actions.push(Action::ProxyAcknowledges);
        }
    }

    /// Reads the replica's state for the proxy. The replica remembers until when the proxy can trust.
    pub(crate) fn serve_proxy(&self, world: &mut World, slot: usize) {
        let replica = &mut world.replicas[slot];
        let lease = if self.has(Flaw::ProxyLeaseOfItsOwn) { self.longest_lease() } else { replica.trust };
        world.proxy.answer = Some((lease, replica.applied.number, replica.cached));
        replica.granted = replica.granted.max(lease + self.margin());
    }

    /// Applies an answer. The lease counts from the start of the request.
    pub(crate) fn apply_at_proxy(world: &mut World) {
        let proxy = &mut world.proxy;
        let (Some(age), Some((lease, applied, cached))) = (proxy.asked.take(), proxy.answer.take()) else {
            return;
        };
        proxy.trust = proxy.trust.max(lease.saturating_sub(age));
        (proxy.applied, proxy.cached) = (applied, cached);
    }
}
