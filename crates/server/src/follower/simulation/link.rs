//! Link of one process to the database: its sessions, delays, and answers that are lost.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::FutureExt as _;
use latchkey_core::error::SystemError;
use tokio::sync::oneshot;
use tokio::time::{sleep, timeout};

use super::database::Database;
use super::world::{State, World};

/// Longest delay of a message on a link without faults, in milliseconds.
pub(super) const SWIFT: u64 = 2;
/// Number of sessions of a process.
const SESSIONS: usize = 2;
/// Time after which a caller no longer waits for an answer.
const DEADLINE: Duration = Duration::from_millis(250);
/// Time after which a caller no longer waits for a look-up.
pub(super) const CHECK_DEADLINE: Duration = Duration::from_millis(60);

/// Link of one process to the database.
#[derive(Clone)]
pub(super) struct Link(Arc<Inner>);

struct Inner {
    world: Arc<World>,
    /// Revision that answers to look-ups must have reached.
    required: AtomicU64,
    state: Mutex<LinkState>,
}

/// State of a link.
pub(super) struct LinkState {
    /// True if nothing passes.
    pub(super) cut: bool,
    /// Longest delay of a message, in milliseconds.
    pub(super) slowness: u64,
    /// Probability that an answer is lost, in percent.
    pub(super) losses: u64,
    /// Server of each session.
    sessions: [usize; SESSIONS],
}

/// A session in use.
#[derive(Clone)]
pub(super) struct Session {
    link: Arc<Inner>,
    slot: usize,
    server: usize,
}

impl Link {
    pub(super) fn new(world: &Arc<World>) -> Self {
        let primary = world.state().primary();
        let state = LinkState { cut: false, slowness: SWIFT, losses: 0, sessions: [primary; SESSIONS] };
        Self(Arc::new(Inner { world: world.clone(), required: AtomicU64::new(0), state: Mutex::new(state) }))
    }

    pub(super) fn world(&self) -> &Arc<World> {
        &self.0.world
    }

    pub(super) fn state(&self) -> MutexGuard<'_, LinkState> {
        self.0.state()
    }

    pub(super) fn require(&self, revision: u64) {
        self.0.required.store(revision, Ordering::SeqCst);
    }

    /// Opens all sessions again, on the primary.
    pub(super) fn reconnect(&self) {
        let primary = self.0.world.state().primary();
        self.state().sessions = [primary; SESSIONS];
    }

    pub(super) fn required(&self) -> u64 {
        self.0.required.load(Ordering::SeqCst)
    }

    /// Runs statements on one session. They take effect although the caller may have given up.
    pub(super) async fn call<T, W>(
        &self,
        deadline: Duration,
        work: impl FnOnce(Session) -> W,
    ) -> Result<T, SystemError>
    where
        T: Send + 'static,
        W: Future<Output = Result<T, SystemError>> + Send + 'static,
    {
        let slot = usize::try_from(self.0.world.draw(SESSIONS as u64)).unwrap_or_default();
        let server = self.state().sessions[slot];
        let mut work = Box::pin(work(Session { link: self.0.clone(), slot, server }));
        // Most calls are not delayed, and need no task of their own.
        if let Some(done) = work.as_mut().now_or_never() {
            return done;
        }
        let (answer, answered) = oneshot::channel();
        self.0.world.spawn(async move {
            let _ = answer.send(work.await);
        });
        match timeout(deadline, answered).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) | Err(_) => Err(SystemError::database()),
        }
    }

    /// Runs one statement that writes.
    pub(super) async fn write<T: Send + 'static>(
        &self,
        statement: impl FnOnce(&mut Database) -> T + Send + 'static,
    ) -> Result<T, SystemError> {
        self.call(DEADLINE, |session| async move { session.write(statement).await }).await
    }

    /// Runs one statement that reads.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        statement: impl FnOnce(&Database) -> T + Send + 'static,
    ) -> Result<T, SystemError> {
        self.call(DEADLINE, |session| async move { session.read(statement).await }).await
    }

    /// Runs several statements on one session.
    pub(super) async fn transact<T, W>(&self, work: impl FnOnce(Session) -> W) -> Result<T, SystemError>
    where
        T: Send + 'static,
        W: Future<Output = Result<T, SystemError>> + Send + 'static,
    {
        self.call(DEADLINE, work).await
    }
}

impl Inner {
    fn state(&self) -> MutexGuard<'_, LinkState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets a message pass. Returns an error if it is lost.
    async fn pass(&self) -> Result<(), SystemError> {
        let slowness = self.state().slowness;
        // One message in eight is late, and half of them on a slow link.
        let in_time = if slowness > SWIFT { 2 } else { 8 };
        let by = self.world.draw(in_time * (slowness + 1));
        if by > 0 && by <= slowness {
            sleep(Duration::from_millis(by)).await;
        }
        if !self.state().cut {
            return Ok(());
        }
        if self.world.draw(2) == 0 {
            // No error reports that the message was lost.
            sleep(DEADLINE).await;
        }
        Err(SystemError::database())
    }
}

impl Session {
    /// Runs a statement that writes; an old server refuses it.
    pub(super) async fn write<T>(
        &self,
        statement: impl FnOnce(&mut Database) -> T,
    ) -> Result<T, SystemError> {
        self.write_after(|_| (), statement).await
    }

    /// Runs a statement that writes what a failover may lose.
    pub(super) async fn write_kept<T>(
        &self,
        statement: impl FnOnce(&mut Database) -> T,
    ) -> Result<T, SystemError> {
        self.write_after(State::keep, statement).await
    }

    async fn write_after<T>(
        &self,
        before: impl FnOnce(&mut State),
        statement: impl FnOnce(&mut Database) -> T,
    ) -> Result<T, SystemError> {
        self.link.pass().await?;
        let done = {
            let state = &mut *self.link.world.state();
            (self.server == state.primary()).then(|| {
                before(state);
                statement(&mut state.servers[self.server])
            })
        };
        let done = done.ok_or_else(|| self.close())?;
        self.link.pass().await?;
        let losses = self.link.state().losses;
        if losses > 0 && self.link.world.draw(100) < losses { Err(SystemError::database()) } else { Ok(done) }
    }

    /// Runs a statement that reads, on any server that is up.
    pub(super) async fn read<T>(&self, statement: impl FnOnce(&Database) -> T) -> Result<T, SystemError> {
        self.link.pass().await?;
        let done = {
            let state = &*self.link.world.state();
            (self.server >= state.oldest).then(|| statement(&state.servers[self.server]))
        };
        let done = done.ok_or_else(|| self.close())?;
        self.link.pass().await?;
        Ok(done)
    }

    /// Closes the session; the next one in its place is opened on the primary. Returns the error of the statement.
    pub(super) fn close(&self) -> SystemError {
        let primary = self.link.world.state().primary();
        self.link.state().sessions[self.slot] = primary;
        SystemError::database()
    }
}
