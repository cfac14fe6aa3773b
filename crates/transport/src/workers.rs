//! Workers: the threads that serve gRPC, one for each core, each with its own runtime. A Check is read, decided and
//! answered on one thread without a lock, a wake-up or communication with other cores, and the responses to requests
//! that arrived together leave together. A connection stays on the worker that it was assigned to, which is the one with
//! the fewest connections: an Envoy opens one connection for each of its own workers, so even few connections must be
//! distributed evenly.
//!
//! Work that takes longer than a Check (management, the database) runs on the process's main runtime. Calls wait for it
//! without delaying other calls of their worker.

mod connection;
mod inline_executor;
mod port;
mod response_deadline;
mod service;

use std::future::Future;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use futures_util::future::select_all;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinSet;

pub use self::port::{BoundPort, PortConfig};
pub use self::response_deadline::{ResponseKind, response_is_ready};
pub use self::service::{MakeService, Peer};

use self::connection::DrainSignal;
use crate::listen::AcceptedConnection;

/// Handle of a worker thread.
struct Worker<M> {
    assigned: UnboundedSender<AssignedConnection<M>>,
    /// Number of the worker's open connections.
    open: Arc<AtomicUsize>,
}

/// All workers. When the set is dropped, they close their connections and end.
pub struct WorkerSet<M> {
    workers: Vec<Worker<M>>,
    drain: watch::Sender<bool>,
    /// Tasks that complete when a worker ends.
    exits: JoinSet<()>,
}

impl<M: MakeService> WorkerSet<M> {
    /// Starts `count` workers. It must be called on the main runtime.
    pub fn start(count: usize) -> io::Result<Self> {
        let (drain, draining) = watch::channel(false);
        let (mut workers, mut exits) = (Vec::with_capacity(count), JoinSet::new());
        for number in 0..count {
            let (assigned, queued) = unbounded_channel();
            let open = Arc::<AtomicUsize>::default();
            let (exit_signal, exited) = oneshot::channel::<()>();
            let runtime = WorkerRuntime::build()?;
            let draining = draining.clone();
            let work = move || {
                runtime.run(serve_until_dropped(queued, draining));
                drop(exit_signal);
            };
            thread::Builder::new().name(format!("check-{number}")).spawn(work)?;
            exits.spawn(async move { drop(exited.await) });
            workers.push(Worker { assigned, open });
        }
        Ok(Self { workers, drain, exits })
    }

    /// Accepts connections until `stop` completes, and then waits until all open connections have ended.
    pub async fn serve(
        mut self,
        ports: Vec<BoundPort<M>>,
        stop: impl Future<Output = ()>,
    ) -> Result<(), WorkerExited> {
        let mut stop = std::pin::pin!(stop);
        let mut ports = ports;
        loop {
            // Each port is the first in turn, so that a flood of one does not keep the others from being accepted.
            ports.rotate_left(1);
            tokio::select! {
                () = &mut stop => break,
                accepted = accept_any(&ports) => {
                    let Some((accepted, port)) = accepted else { break };
                    self.assign(accepted, port);
                }
                Some(_) = self.exits.join_next() => return Err(WorkerExited),
            }
        }
        // The ports are closed first, so that no client connects to a server that no longer answers.
        drop(ports);
        self.drain.send_replace(true);
        self.workers.clear();
        while self.exits.join_next().await.is_some() {}
        Ok(())
    }

    /// Assigns a connection to the worker with the fewest connections.
    fn assign(&self, accepted: AcceptedConnection, port: Arc<PortConfig<M>>) {
        let worker = self.workers.iter().min_by_key(|worker| worker.open.load(Ordering::Relaxed));
        if let Some(worker) = worker {
            // If the worker has ended, the connection is closed here; `serve` reports the ended worker.
            drop(worker.assigned.send((accepted.count_open(&worker.open), port)));
        }
    }
}

/// Connection and the port that accepted it.
type AssignedConnection<M> = (AcceptedConnection, Arc<PortConfig<M>>);

/// Accepts the next connection of any port.
async fn accept_any<M: MakeService>(ports: &[BoundPort<M>]) -> Option<AssignedConnection<M>> {
    let accept_on = |bound: &BoundPort<M>| {
        let BoundPort { listener, port } = bound.clone();
        Box::pin(async move { Some((listener.accept_detached().await?, port)) })
    };
    select_all(ports.iter().map(accept_on)).await.0
}

/// Error: a worker ended, although workers run until shutdown.
#[derive(Debug, thiserror::Error)]
#[error("a worker thread ended unexpectedly")]
pub struct WorkerExited;

/// Runtime of a worker. If the worker's thread can't be started, it is dropped on a thread of the main runtime, where a drop
/// must not wait.
struct WorkerRuntime(Option<Runtime>);

impl WorkerRuntime {
    fn build() -> io::Result<Self> {
        Builder::new_current_thread().enable_all().build().map(|runtime| Self(Some(runtime)))
    }

    fn run(&self, work: impl Future<Output = ()>) {
        if let Some(runtime) = &self.0 {
            runtime.block_on(work);
        }
    }
}

impl Drop for WorkerRuntime {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

/// Serves until no more connections can arrive and all have ended, or until the [`WorkerSet`] is dropped.
async fn serve_until_dropped<M: MakeService>(
    assigned: UnboundedReceiver<AssignedConnection<M>>,
    draining: watch::Receiver<bool>,
) {
    let mut owner_alive = draining.clone();
    tokio::select! {
        () = serve_connections(assigned, draining) => {}
        _ = owner_alive.wait_for(|_| false) => {}
    }
}

async fn serve_connections<M: MakeService>(
    mut assigned: UnboundedReceiver<AssignedConnection<M>>,
    draining: watch::Receiver<bool>,
) {
    let mut open = JoinSet::new();
    loop {
        tokio::select! {
            accepted = assigned.recv() => match accepted {
                Some(connection) => {
                    let drain = DrainSignal::from(draining.clone());
                    open.spawn(connection::serve(connection,drain));
                }
                None => break,
            },
            Some(_) = open.join_next() => {}
        }
    }
    while open.join_next().await.is_some() {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_runtime_whose_thread_does_not_start_is_dropped_without_a_panic() {
        drop(WorkerRuntime::build().unwrap());
    }

    #[test]
    fn a_runtime_runs_the_work_of_its_thread() {
        let mut ran = false;
        WorkerRuntime::build().unwrap().run(async { ran = true });
        assert!(ran);
    }
}
