//! A schedule: a fleet, and what happens to it, all drawn from one seed.

mod person;

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use tokio::time::sleep;

use self::person::PATIENCE;
use super::database::Database;
use super::fixture::{FIXTURE, KEYS, LATER, SWITCHED};
use super::link::SWIFT;
use super::process::{Fleet, Process, ProcessSettings, running};
use super::world::World;
use super::{Report, Variant};

/// Clock rates differ by 1.5 % at most.
const SLOWEST: u64 = 992_600_000;
const RATES: u64 = 14_800_000;
/// Number of classes of faults; each schedule has about half of them.
const FAULTS: u64 = 9;

/// A schedule that runs.
struct Schedule {
    world: Arc<World>,
    fleet: Fleet,
    slots: Vec<Slot>,
    /// Classes of faults that this schedule has, one bit for each.
    faults: u64,
    started: u64,
    last_revoked: usize,
}

/// Place of a replica, for all its processes.
struct Slot {
    settings: ProcessSettings,
    /// True if each process runs on another machine.
    moves: bool,
    process: Arc<Process>,
}

/// Runs the schedule of a seed.
pub(super) async fn run(seed: u64, variant: Variant) -> Report {
    let database = Database::new(FIXTURE.tenant.clone(), FIXTURE.keys.clone());
    let world = Arc::new(World::new(seed, variant, database));
    let faults = world.below(1 << FAULTS);
    let mut schedule =
        Schedule { world, fleet: Fleet::default(), slots: Vec::new(), faults, started: 0, last_revoked: 0 };
    schedule.populate();
    sleep(Duration::from_millis(30)).await;
    let steps = 30 + schedule.world.below(41);
    for _ in 0..steps {
        schedule.step();
        let pause = schedule.world.below(10) * schedule.world.below(7);
        sleep(Duration::from_millis(pause)).await;
        if schedule.world.state().checker.violation.is_some() {
            break;
        }
    }
    let heals = match variant {
        Variant::Real => seed.is_multiple_of(16),
        Variant::UnnoticedReads => true,
        Variant::EndlessLease | Variant::HiddenRow | Variant::HiddenRestore => false,
    };
    if heals {
        schedule.end_faults().await;
    }
    for process in running(&schedule.fleet) {
        process.crash();
    }
    let state = schedule.world.state();
    Report {
        seed,
        violation: state.checker.violation.clone(),
        trace: state.checker.trace().to_owned(),
        counts: state.checker.counts,
    }
}

impl Schedule {
    fn populate(&mut self) {
        let named = self.has(8);
        for number in 0..2 + self.world.below(2) {
            let lease = [200, 400, 700, 1_000, 2_000][usize::try_from(self.world.below(5)).unwrap()];
            let settings = ProcessSettings {
                lease: Duration::from_millis(lease),
                poll_interval: Duration::from_millis(30 + self.world.below(120)),
                rate: SLOWEST + self.world.below(RATES),
                name: (named && self.world.chance(60)).then(|| format!("pod-{number}").into()),
                host: self.world.chance(80).then(|| "m1".into()),
            };
            let process = self.start(&settings);
            let moves = self.world.chance(30);
            self.slots.push(Slot { settings, moves, process });
        }
    }

    fn start(&mut self, settings: &ProcessSettings) -> Arc<Process> {
        self.started += 1;
        let process = Process::start(&self.world, self.started, settings);
        self.fleet.lock().unwrap_or_else(PoisonError::into_inner).push(process.clone());
        process
    }

    fn has(&self, fault: u64) -> bool {
        self.faults >> fault & 1 == 1
    }

    fn any_slot(&self) -> usize {
        usize::try_from(self.world.below(self.slots.len() as u64)).unwrap()
    }

    fn any_key(&self) -> usize {
        usize::try_from(self.world.below(KEYS as u64)).unwrap()
    }

    /// Makes a random change or fault, and sends Checks to some replicas.
    fn step(&mut self) {
        let slot = self.any_slot();
        let process = self.slots[slot].process.clone();
        match self.world.below(100) {
            0..16 => self.revoke(&process),
            16..24 => process.spawn_rename(self.any_key()),
            24..28 => process.spawn_creation(&self.fleet, LATER[self.any_key() % LATER.len()]),
            28..32 => process.spawn_switch(SWITCHED),
            32..42 if self.has(0) => self.cut(&process),
            42..48 if self.has(1) => self.slow_down(&process),
            48..54 if self.has(2) => self.lose_answers(&process),
            54..62 if self.has(3) => self.pause(&process),
            62..70 if self.has(4) => self.restart(slot, false),
            70..75 if self.has(4) => self.restart(slot, true),
            75..82 if self.has(5) => self.person(),
            82..87 if self.has(6) => self.world.state().fail_over(),
            87..92 if self.has(7) => self.world.state().fail_over_with_loss(),
            92..95 => {
                let keep = self.world.below(3);
                let state = &mut *self.world.state();
                let primary = state.primary();
                state.servers[primary].prune(keep);
            }
            _ => {}
        }
        let key = match self.world.below(10) {
            0..5 => self.last_revoked,
            5..8 => self.any_key(),
            8 => SWITCHED,
            _ => LATER[self.any_key() % LATER.len()],
        };
        self.slots[self.any_slot()].process.spawn_check(key);
    }

    fn revoke(&mut self, process: &Arc<Process>) {
        // The last keys stay valid.
        let retry = self.world.chance(30);
        let key = if retry { self.last_revoked } else { self.any_key() % (KEYS - 2) };
        self.last_revoked = key;
        let patience = [20, 100, 400, 1_200][usize::try_from(self.world.below(4)).unwrap()];
        self.world.note(&format!("{} revokes key {key} within {patience} ms", process.id));
        process.spawn_revocation(&self.fleet, key, Duration::from_millis(patience));
    }

    fn cut(&self, process: &Process) {
        let state = &mut *process.link.state();
        state.cut = !state.cut;
        let done = if state.cut { "cut off" } else { "connected" };
        self.world.note(&format!("{} is {done}", process.id));
    }

    fn slow_down(&self, process: &Process) {
        let slowness = [SWIFT, SWIFT, 40, 200][usize::try_from(self.world.below(4)).unwrap()];
        process.link.state().slowness = slowness;
        self.world.note(&format!("{} has delays of {slowness} ms", process.id));
    }

    fn lose_answers(&self, process: &Process) {
        let losses = [0, 30, 80][usize::try_from(self.world.below(3)).unwrap()];
        process.link.state().losses = losses;
        self.world.note(&format!("{} loses {losses} % of the answers to writes", process.id));
    }

    fn pause(&self, process: &Arc<Process>) {
        let millis = 20 + self.world.below(40) * self.world.below(40);
        self.world.note(&format!("{} pauses for {millis} ms", process.id));
        process.set_paused(true);
        let process = Arc::downgrade(process);
        self.world.spawn(async move {
            sleep(Duration::from_millis(millis)).await;
            if let Some(process) = process.upgrade() {
                process.set_paused(false);
            }
        });
    }

    /// Ends a process, in order or not, and starts another one in its place.
    fn restart(&mut self, slot: usize, in_order: bool) {
        let old = self.slots[slot].process.clone();
        if in_order {
            self.world.note(&format!("{} drains", old.id));
            old.drain();
            let killed = old.clone();
            let after = Duration::from_millis(20 + self.world.below(300));
            self.world.spawn(async move {
                sleep(after).await;
                killed.crash();
            });
        } else {
            self.world.note(&format!("{} crashes", old.id));
            old.crash();
            self.fleet.lock().unwrap_or_else(PoisonError::into_inner).retain(|process| process.id != old.id);
        }
        drop(old);
        let mut settings = self.slots[slot].settings.clone();
        if self.slots[slot].moves {
            settings.host = Some(format!("m{}", self.started + 2).into());
        }
        self.slots[slot].process = self.start(&settings);
    }

    /// Checks that those of the processes that have not ended have a lease.
    fn check_leases(&self, of: impl Fn(&Slot) -> bool) {
        for slot in self.slots.iter().filter(|slot| of(slot)) {
            let process = &slot.process;
            // A start under a name may wait for a second for each predecessor.
            let late = slot.settings.name.is_some() && !process.has_served();
            if !process.has_ended() && !late && !process.can_decide() {
                self.world.state().checker.fail(&format!("VIOLATION: {} has no lease again", process.id));
            }
        }
    }

    /// Ends all faults. Every replica must get a lease again, and decide rightly.
    async fn end_faults(&mut self) {
        // No person waits for a heartbeat any more then.
        sleep(Duration::from_millis(u64::from(PATIENCE) + 100)).await;
        self.world.note("all faults end");
        for slot in 0..self.slots.len() {
            let process = self.slots[slot].process.clone();
            process.set_paused(false);
            let state = &mut *process.link.state();
            (state.cut, state.slowness, state.losses) = (false, SWIFT, 0);
        }
        sleep(Duration::from_millis(1_500)).await;
        let named = |slot: &Slot| slot.settings.name.is_some();
        self.check_leases(|slot| !named(slot));
        if self.slots.iter().any(|slot| named(slot) && !slot.process.can_decide()) {
            // A failover may have taken the row away. A new registration under a name waits for a second for a
            // predecessor, after the call that was cut off has ended.
            sleep(Duration::from_secs(1)).await;
        }
        self.check_leases(named);
        {
            let state = &mut *self.world.state();
            let database = &state.servers[state.primary()];
            for key in 0..database.keys.len() {
                state.checker.settle(key, database.allows(key));
            }
        }
        for slot in &self.slots {
            for key in [self.last_revoked, KEYS - 1, SWITCHED, LATER[0], LATER[1]] {
                slot.process.spawn_check(key);
            }
        }
        sleep(Duration::from_millis(200)).await;
    }
}
