//! Faults of a person with the database's password: rows of replicas that are deleted, altered or put back.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;

use super::Schedule;
use crate::follower::simulation::Variant;

/// Time for which a person waits for a heartbeat, in milliseconds.
pub(super) const PATIENCE: u32 = 600;

impl Schedule {
    /// Deletes, alters or puts back the row of a replica, as a person with the database's password could.
    pub(super) fn person(&self) {
        let choice = self.world.below(7);
        let index = self.world.below(4);
        let hides = self.world.variant == Variant::HiddenRow;
        if choice > 4 && !hides {
            return self.put_back();
        }
        let state = &mut *self.world.state();
        let primary = state.primary();
        let database = &mut state.servers[primary];
        let Some(id) = database.rows.keys().nth(usize::try_from(index).unwrap()).cloned() else { return };
        if choice < 2 || hides {
            database.rows.remove(&id);
            if hides {
                database.hide_removal();
            }
        } else if let Some(row) = database.rows.get_mut(&id) {
            match choice {
                2 => row.announced.revision += 5,
                3 => row.announced.lease = Duration::from_millis(1),
                _ => row.departed = true,
            }
        }
        state.checker.note(&format!("a person changes the row of {id} ({choice})"));
    }

    /// Copies the row of a replica. Right after its next heartbeat, puts the copy back and cuts the replica off, so that
    /// other replicas may not see that heartbeat.
    fn put_back(&self) {
        let process = self.slots[self.any_slot()].process.clone();
        let world = Arc::clone(&self.world);
        let hidden = world.variant == Variant::HiddenRestore;
        let spawner = Arc::clone(&self.world);
        spawner.spawn(async move {
            let row = || {
                let state = world.state();
                state.servers[state.primary()].rows.get(&process.id).cloned()
            };
            let Some(copy) = row() else { return };
            for _ in 0..PATIENCE {
                sleep(Duration::from_millis(1)).await;
                if row().is_some_and(|now| now.announced.beat > copy.announced.beat) {
                    process.link.state().cut = true;
                    let state = &mut *world.state();
                    let primary = state.primary();
                    state.servers[primary].restore(copy, hidden);
                    state
                        .checker
                        .note(&format!("a person puts the row of {} back, and cuts it off", process.id));
                    return;
                }
            }
        });
    }
}
