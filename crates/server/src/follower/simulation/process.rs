//! A process of a replica: the real follower, cache and gate, with a clock of its own, which can be paused and killed.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use latchkey_config::FollowerSettings;
use latchkey_core::cache::ReplicaCache;
use latchkey_core::check_input::{CheckInput, Path, PresentedCredential};
use latchkey_core::gate::{Gate, GateParts, LookupSubject};
use latchkey_core::ports::usage::NoopUsageLog;
use latchkey_core::ports::{ChangeEffect, ChangeSubject, Replica};
use latchkey_core::time::MonotonicInstant;
use latchkey_management::ports::{Propagation as _, WriteResult};
use latchkey_profile::Catalog;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::sleep;

use super::Variant;
use super::checker::Outcome;
use super::fixture::FIXTURE;
use super::link::Link;
use super::pause::{Pause, pausable};
use super::surroundings::{NoLimits, SkewedClock};
use super::world::World;
use crate::follower::{EntryError, Follower, FollowerParts, Membership, MembershipSettings};
use crate::signing::SigningKeyLoader;

/// Settings of a process.
#[derive(Clone, Debug)]
pub(super) struct ProcessSettings {
    pub(super) lease: Duration,
    pub(super) poll_interval: Duration,
    /// Nanoseconds that the clock shows for a second.
    pub(super) rate: u64,
    pub(super) name: Option<Box<str>>,
    pub(super) host: Option<Box<str>>,
}

/// A process.
pub(super) struct Process {
    /// Number, and identifier of the replica.
    pub(super) number: u64,
    pub(super) id: Box<str>,
    pub(super) link: Link,
    follower: Arc<Follower>,
    gate: Gate<NoLimits>,
    pause: Arc<Pause>,
    serving: AtomicBool,
    /// Reason why the process has ended by itself.
    ended: AtomicBool,
    tasks: Mutex<JoinSet<()>>,
    driver: Mutex<Option<AbortHandle>>,
}

/// Processes that run.
pub(super) type Fleet = Arc<Mutex<Vec<Arc<Process>>>>;

/// Returns the processes that run.
pub(super) fn running(fleet: &Fleet) -> Vec<Arc<Process>> {
    fleet.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

impl Process {
    pub(super) fn start(world: &Arc<World>, number: u64, settings: &ProcessSettings) -> Arc<Self> {
        // Life sockets are shared by the whole machine.
        let id: Box<str> =
            format!("{:?}-{}-{}-{number}", world.variant, std::process::id(), world.seed).into();
        world.note(&format!("start of {id}: {settings:?}"));
        let link = Link::new(world);
        let clock = Arc::new(SkewedClock::new(1 + world.below(1 << 40), settings.rate));
        let follower = Arc::new(follower(&link, &clock, &id, settings));
        let parts = &follower.parts;
        let gate = Gate::new(GateParts {
            store: Arc::new(link.clone()),
            policies: parts.catalog.clone(),
            limiter: NoLimits,
            cache: parts.cache.clone(),
            clock,
            usage: Arc::new(NoopUsageLog),
            lease: follower.clone(),
        });
        let process = Arc::new(Self {
            number,
            id,
            link,
            gate,
            follower,
            pause: Arc::default(),
            serving: AtomicBool::new(false),
            ended: AtomicBool::new(false),
            tasks: Mutex::default(),
            driver: Mutex::default(),
        });
        let driver = process.spawn(Self::drive(process.clone()));
        *process.driver.lock().unwrap_or_else(PoisonError::into_inner) = Some(driver);
        process
    }

    /// Starts as the program does, and follows the feed.
    async fn drive(process: Arc<Self>) {
        let world = process.link.world().clone();
        let mut started = process.follower.initialize().await;
        while let Err(EntryError::System(_)) = started {
            sleep(Duration::from_millis(40)).await;
            started = process.follower.initialize().await;
        }
        if started.is_ok() {
            world.note(&format!("{} serves", process.id));
            process.serving.store(true, Ordering::SeqCst);
            if world.variant == Variant::EndlessLease {
                process.follower.parts.cache.extend_lease(MonotonicInstant(u64::MAX));
            }
            drop(process.follower.run().await);
        }
        world.note(&format!("{} ends: its name is taken", process.id));
        process.ended.store(true, Ordering::SeqCst);
    }

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) -> AbortHandle {
        let task = pausable(self.pause.clone(), task);
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner).spawn(task)
    }

    pub(super) fn has_served(&self) -> bool {
        self.serving.load(Ordering::SeqCst)
    }

    pub(super) fn has_ended(&self) -> bool {
        self.ended.load(Ordering::SeqCst)
    }

    /// Returns whether the process has started and has a lease.
    pub(super) fn can_decide(&self) -> bool {
        let parts = &self.follower.parts;
        self.serving.load(Ordering::SeqCst) && parts.cache.lease_valid(parts.clock.monotonic())
    }

    pub(super) fn spawn_check(self: &Arc<Self>, key: usize) {
        if self.serving.load(Ordering::SeqCst) {
            let process = self.clone();
            self.spawn(async move { process.check(key).await });
            if self.link.world().below(4) == 0 {
                self.spawn_preload(key);
            }
        }
    }

    /// Caches a key as after a look-up that was too late for its Check.
    fn spawn_preload(self: &Arc<Self>, key: usize) {
        let process = self.clone();
        let subject = LookupSubject::Key(FIXTURE.keys[key].hash);
        self.spawn(async move { drop(process.gate.preload(&subject).await) });
    }

    async fn check(&self, key: usize) {
        let world = self.link.world();
        let begun = world.state().checker.begin_check(self, key, self.has_applied(key));
        let input = CheckInput {
            credential: PresentedCredential::of(FIXTURE.values[key].reveal()),
            method: "GET",
            path: Path::Canonical("/v1/items".into()),
            ..CheckInput::default()
        };
        let outcome = match self.gate.check(Some(&FIXTURE.policy), &input).await {
            Ok(verdict) if verdict.denial().is_none() => Outcome::Allowed,
            Ok(_) => Outcome::Denied,
            Err(_) => Outcome::Failed,
        };
        world.state().checker.end_check(&self.id, begun, outcome);
    }

    /// Returns whether the cache knows that a key is revoked.
    fn has_applied(&self, key: usize) -> bool {
        let taken = self.follower.parts.cache.applied_changes().taken_away_after(0);
        let subject = ChangeSubject::Key(FIXTURE.keys[key].hash);
        taken.iter().any(|taken| taken.subject == subject && taken.effect == ChangeEffect::Revoked)
    }

    /// Revokes a key as the service does: the write, and the wait for all replicas. After an OK each replica is asked.
    pub(super) fn spawn_revocation(self: &Arc<Self>, fleet: &Fleet, key: usize, patience: Duration) {
        let (process, fleet) = (self.clone(), fleet.clone());
        self.spawn(async move {
            let world = process.link.world().clone();
            let losses = world.state().checker.begin_revocation(key);
            let clock = &process.follower.parts.clock;
            let deadline = clock.monotonic().plus(patience);
            let revoked = match process.link.revoke(FIXTURE.keys[key].hash).await {
                Ok(written) => {
                    let WriteResult { revision, history, .. } = written;
                    let waited = process.follower.wait_until_applied(revision, history, Some(deadline)).await;
                    waited.map(|()| revision)
                }
                Err(error) => Err(error),
            };
            let Ok(revision) = revoked else {
                world.state().checker.counts.unfinished += 1;
                return;
            };
            world.note(&format!("{} revoked key {key} with OK (revision {revision})", process.id));
            world.state().checker.finish_revocation(key, losses);
            for process in running(&fleet) {
                process.spawn_check(key);
            }
        });
    }

    /// Creates a key, and checks it at once as its caller would, if it is new.
    pub(super) fn spawn_creation(self: &Arc<Self>, fleet: &Fleet, key: usize) {
        let (process, fleet) = (self.clone(), fleet.clone());
        self.spawn(async move {
            if process.link.create(key).await == Ok(true) {
                for process in running(&fleet) {
                    process.spawn_check(key);
                }
            }
        });
    }

    /// Disables a key, or enables it again.
    pub(super) fn spawn_switch(self: &Arc<Self>, key: usize) {
        let process = self.clone();
        self.spawn(async move { drop(process.link.switch(key).await) });
    }

    /// Writes a change that takes nothing away.
    pub(super) fn spawn_rename(self: &Arc<Self>, key: usize) {
        let process = self.clone();
        self.spawn(async move { drop(process.link.rename(key).await) });
    }

    pub(super) fn set_paused(&self, paused: bool) {
        self.pause.set(paused);
    }

    /// Leaves the fleet as the program does at its end.
    pub(super) fn drain(self: &Arc<Self>) {
        let driver = self.driver.lock().unwrap_or_else(PoisonError::into_inner).take();
        let process = self.clone();
        self.spawn(async move {
            if let Some(driver) = driver {
                driver.abort();
                while !driver.is_finished() {
                    tokio::task::yield_now().await;
                }
            }
            process.follower.leave().await;
        });
    }

    /// Ends the process at once.
    pub(super) fn crash(&self) {
        self.serving.store(false, Ordering::SeqCst);
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner).abort_all();
    }
}

fn follower(link: &Link, clock: &Arc<SkewedClock>, id: &str, settings: &ProcessSettings) -> Follower {
    let cache = Arc::new(ReplicaCache::new(1 << 17));
    let ports = Arc::new(link.clone());
    let replica = Replica {
        id: id.into(),
        name: id.into(),
        stable_name: settings.name.clone(),
        host: settings.host.clone(),
    };
    let (lease, poll_interval) = (settings.lease, settings.poll_interval);
    let membership = MembershipSettings { lease, poll_interval, alone: false };
    Follower::new(FollowerParts {
        feed: ports.clone(),
        store: ports.clone(),
        recovery: ports.clone(),
        signing: SigningKeyLoader {
            store: ports.clone(),
            sealer: FIXTURE.sealer.clone(),
            cache: cache.clone(),
            clock: clock.clone(),
        },
        cache,
        catalog: Arc::new(Catalog::new()),
        clock: clock.clone(),
        settings: FollowerSettings { lease, feed_poll_interval: poll_interval },
        membership: Some(Membership::new(ports, replica, membership)),
        notifier: None,
        notifications: tokio::sync::Mutex::default(),
    })
}
