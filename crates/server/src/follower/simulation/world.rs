//! State that a schedule's processes share: the servers of the database, the random numbers, and the checker.

use std::sync::{Mutex, MutexGuard, PoisonError};

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use tokio::task::JoinSet;

use super::Variant;
use super::checker::DecisionChecker;
use super::database::Database;

/// Number of states that are kept for a failover that loses commits.
const SNAPSHOTS: usize = 4;

/// Shared state of a schedule.
pub(super) struct World {
    pub(super) seed: u64,
    pub(super) variant: Variant,
    /// Random numbers of the plan, which nothing else takes.
    plan: Mutex<StdRng>,
    state: Mutex<State>,
    /// Statements on their way; they go on when their answers are no longer waited for.
    statements: Mutex<JoinSet<()>>,
}

/// Part of the shared state that changes.
pub(super) struct State {
    /// Servers, the newest one last: it alone accepts writes.
    pub(super) servers: Vec<Database>,
    /// The oldest server that can still be read.
    pub(super) oldest: usize,
    /// States from before the newest changes, the oldest first.
    snapshots: Vec<Database>,
    pub(super) random: StdRng,
    pub(super) checker: DecisionChecker,
}

impl World {
    pub(super) fn new(seed: u64, variant: Variant, database: Database) -> Self {
        let checker = DecisionChecker::new(database.keys.len());
        let state = State {
            servers: vec![database],
            oldest: 0,
            snapshots: Vec::new(),
            random: StdRng::seed_from_u64(!seed),
            checker,
        };
        let plan = Mutex::new(StdRng::seed_from_u64(seed));
        Self { seed, variant, plan, state: Mutex::new(state), statements: Mutex::default() }
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs a statement whose answer may not be waited for.
    pub(super) fn spawn(&self, statement: impl Future<Output = ()> + Send + 'static) {
        self.statements.lock().unwrap_or_else(PoisonError::into_inner).spawn(statement);
    }

    pub(super) fn note(&self, text: &str) {
        self.state().checker.note(text);
    }

    /// Returns a number below `end` for what happens on the way of a message.
    pub(super) fn draw(&self, end: u64) -> u64 {
        self.state().random.random_range(0..end)
    }

    /// Returns a number of the plan below `end`.
    pub(super) fn below(&self, end: u64) -> u64 {
        self.plan.lock().unwrap_or_else(PoisonError::into_inner).random_range(0..end)
    }

    /// Returns true with a probability in percent, by the plan.
    pub(super) fn chance(&self, percent: u64) -> bool {
        self.below(100) < percent
    }
}

impl State {
    /// Returns the number of the server that accepts writes.
    pub(super) fn primary(&self) -> usize {
        self.servers.len() - 1
    }

    /// Keeps the present state of the primary: the next change may be lost.
    pub(super) fn keep(&mut self) {
        if self.snapshots.len() == SNAPSHOTS {
            self.snapshots.remove(0);
        }
        self.snapshots.push(self.servers[self.servers.len() - 1].clone());
    }

    /// Makes a copy of the primary the new one. The old one can be read by sessions that were open.
    pub(super) fn fail_over(&mut self) {
        let mut standby = self.servers[self.primary()].clone();
        standby.timeline += 1;
        self.servers.push(standby);
        self.checker.note("failover; the old server can be read");
    }

    /// Makes a standby the primary that lacks the newest changes.
    pub(super) fn fail_over_with_loss(&mut self) {
        let Some(kept) = self.snapshots.len().checked_sub(1) else { return };
        let mut standby = self.snapshots[self.random.random_range(0..=kept)].clone();
        self.snapshots.clear();
        let lost = &self.servers[self.servers.len() - 1];
        let timeline = lost.timeline + 1;
        self.checker.note(&format!("failover that goes back from {} to {}", lost.head, standby.head));
        for key in 0..lost.keys.len() {
            if lost.is_revoked(key) && !standby.is_revoked(key) {
                self.checker.lose(key);
            }
        }
        let beat = |database: &Database, id| database.rows.get(id).map(|row| row.announced.beat);
        for id in lost.rows.keys().filter(|id| beat(lost, *id) != beat(&standby, *id)) {
            self.checker.lose_heartbeat(id);
        }
        standby.timeline = timeline;
        self.servers.push(standby);
        self.oldest = self.primary();
    }
}
