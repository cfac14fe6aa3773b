//! The threads that serve gRPC: one a core, each with a runtime of its own, so that a Check is begun, judged and
//! answered without a lock, a wake-up or a look at what other cores do, and the answers to what came together
//! leave together. A connection stays on the thread that it was given to, and it is given to the one that has
//! the fewest: an Envoy has a connection for each of its workers, and few connections must still be spread.
//!
//! What takes longer than a Check (management, stores) runs on the process's main runtime, and the calls of
//! these threads wait for it without holding up their neighbours.

mod connection;
mod inline_executor;
mod port;
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
pub use self::service::{MakeService, Peer};

use self::connection::DrainSignal;
use crate::listen::AcceptedConnection;

/// A thread that serves connections.
struct Worker<M> {
    assigned: UnboundedSender<AssignedConnection<M>>,
    /// How many connections it has.
    open: Arc<AtomicUsize>,
}

/// All of them. Dropped, they close what they have and end.
pub struct WorkerSet<M> {
    workers: Vec<Worker<M>>,
    drain: watch::Sender<bool>,
    /// Hears when each has ended.
    exits: JoinSet<()>,
}

impl<M: MakeService> WorkerSet<M> {
    /// Starts so many threads. Call it on the main runtime.
    pub fn start(count: usize) -> io::Result<Self> {
        let (drain, draining) = watch::channel(false);
        let (mut workers, mut exits) = (Vec::with_capacity(count), JoinSet::new());
        for number in 0..count {
            let (assigned, queued) = unbounded_channel();
            let open = Arc::<AtomicUsize>::default();
            let (exit_signal, exited) = oneshot::channel::<()>();
            let runtime = Builder::new_current_thread().enable_all().build()?;
            let draining = draining.clone();
            let work = move || {
                run_worker(&runtime, queued, draining);
                drop(exit_signal);
            };
            thread::Builder::new().name(format!("check-{number}")).spawn(work)?;
            exits.spawn(async move { drop(exited.await) });
            workers.push(Worker { assigned, open });
        }
        Ok(Self { workers, drain, exits })
    }

    /// Takes connections until `stop`, and then waits until those that there are have ended.
    pub async fn serve(
        mut self,
        ports: Vec<BoundPort<M>>,
        stop: impl Future<Output = ()>,
    ) -> Result<(), WorkerExited> {
        let mut stop = std::pin::pin!(stop);
        loop {
            tokio::select! {
                () = &mut stop => break,
                accepted = accept_any(&ports) => {
                    let Some((accepted, port)) = accepted else { break };
                    self.assign(accepted, port);
                }
                Some(_) = self.exits.join_next() => return Err(WorkerExited),
            }
        }
        // The ports are closed before anything waits, so that nobody connects to who doesn't answer.
        drop(ports);
        self.drain.send_replace(true);
        self.workers.clear();
        while self.exits.join_next().await.is_some() {}
        Ok(())
    }

    /// To the thread that has the fewest.
    fn assign(&self, accepted: AcceptedConnection, port: Arc<PortConfig<M>>) {
        let worker = self.workers.iter().min_by_key(|worker| worker.open.load(Ordering::Relaxed));
        if let Some(worker) = worker {
            // A thread that is gone is heard of elsewhere; this connection is closed.
            drop(worker.assigned.send((accepted.count_open(&worker.open), port)));
        }
    }
}

/// A connection, and the port that it came to.
type AssignedConnection<M> = (AcceptedConnection, Arc<PortConfig<M>>);

/// The next one at any of the ports.
async fn accept_any<M: MakeService>(ports: &[BoundPort<M>]) -> Option<AssignedConnection<M>> {
    let accept_on = |bound: &BoundPort<M>| {
        let BoundPort { listener, port } = bound.clone();
        Box::pin(async move { Some((listener.accept_detached().await?, port)) })
    };
    select_all(ports.iter().map(accept_on)).await.0
}

/// A thread that serves connections has ended, which none ever should.
#[derive(Debug, thiserror::Error)]
#[error("a thread that serves connections has ended")]
pub struct WorkerExited;

/// A thread's whole life: until nothing arrives any more and every connection has ended, or until whoever
/// started it is gone.
fn run_worker<M: MakeService>(
    runtime: &Runtime,
    assigned: UnboundedReceiver<AssignedConnection<M>>,
    draining: watch::Receiver<bool>,
) {
    let mut owner_alive = draining.clone();
    runtime.block_on(async {
        tokio::select! {
            () = serve_connections(assigned, draining) => {}
            _ = owner_alive.wait_for(|_| false) => {}
        }
    });
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
