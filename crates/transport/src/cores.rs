//! The threads that serve gRPC: one a core, each with a runtime of its own, so that a Check is begun, judged and
//! answered without a lock, a wake-up or a look at what other cores do, and the answers to what came together
//! leave together. A connection stays on the thread that it was given to, and it is given to the one that has
//! the fewest: an Envoy has a connection for each of its workers, and few connections must still be spread.
//!
//! What takes longer than a Check (management, stores) runs on the process's main runtime, and the calls of
//! these threads wait for it without holding up their neighbours.

mod connection;
mod port;
mod service;
mod turns;

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

pub use self::port::{Door, Port};
pub use self::service::{MakeService, Peer};

use self::connection::Drain;
use crate::listen::Arrival;

/// A thread that serves connections.
struct Core<M> {
    arrivals: UnboundedSender<Guest<M>>,
    /// How many connections it has.
    open: Arc<AtomicUsize>,
}

/// All of them. Dropped, they close what they have and end.
pub struct Cores<M> {
    threads: Vec<Core<M>>,
    drain: watch::Sender<bool>,
    /// Hears when each has ended.
    ended: JoinSet<()>,
}

impl<M: MakeService> Cores<M> {
    /// Starts so many threads. Call it on the main runtime.
    pub fn start(count: usize) -> io::Result<Self> {
        let (drain, draining) = watch::channel(false);
        let (mut threads, mut ended) = (Vec::with_capacity(count), JoinSet::new());
        for number in 0..count {
            let (arrivals, waiting) = unbounded_channel();
            let open = Arc::<AtomicUsize>::default();
            let (over, end) = oneshot::channel::<()>();
            let runtime = Builder::new_current_thread().enable_all().build()?;
            let draining = draining.clone();
            let work = move || {
                live(&runtime, waiting, draining);
                drop(over);
            };
            thread::Builder::new().name(format!("check-{number}")).spawn(work)?;
            ended.spawn(async move { drop(end.await) });
            threads.push(Core { arrivals, open });
        }
        Ok(Self { threads, drain, ended })
    }

    /// Takes connections until `stop`, and then waits until those that there are have ended.
    pub async fn serve(
        mut self,
        doors: Vec<Door<M>>,
        stop: impl Future<Output = ()>,
    ) -> Result<(), CoreEnded> {
        let mut stop = std::pin::pin!(stop);
        loop {
            tokio::select! {
                () = &mut stop => break,
                arrival = arrive(&doors) => {
                    let Some((arrival, port)) = arrival else { break };
                    self.hand(arrival, port);
                }
                Some(_) = self.ended.join_next() => return Err(CoreEnded),
            }
        }
        // The ports are closed before anything waits, so that nobody connects to who doesn't answer.
        drop(doors);
        self.drain.send_replace(true);
        self.threads.clear();
        while self.ended.join_next().await.is_some() {}
        Ok(())
    }

    /// To the thread that has the fewest.
    fn hand(&self, arrival: Arrival, port: Arc<Port<M>>) {
        let core = self.threads.iter().min_by_key(|core| core.open.load(Ordering::Relaxed));
        if let Some(core) = core {
            // A thread that is gone is heard of elsewhere; this connection is closed.
            drop(core.arrivals.send((arrival.counted(&core.open), port)));
        }
    }
}

/// A connection, and the port that it came to.
type Guest<M> = (Arrival, Arc<Port<M>>);

/// The next one at any of the ports.
async fn arrive<M: MakeService>(doors: &[Door<M>]) -> Option<Guest<M>> {
    let one = |door: &Door<M>| {
        let Door { listener, port } = door.clone();
        Box::pin(async move { Some((listener.arrival().await?, port)) })
    };
    select_all(doors.iter().map(one)).await.0
}

/// A thread that serves connections has ended, which none ever should.
#[derive(Debug, thiserror::Error)]
#[error("a thread that serves connections has ended")]
pub struct CoreEnded;

/// A thread's whole life: until nothing arrives any more and every connection has ended, or until whoever
/// started it is gone.
fn live<M: MakeService>(
    runtime: &Runtime,
    arrivals: UnboundedReceiver<Guest<M>>,
    draining: watch::Receiver<bool>,
) {
    let mut left = draining.clone();
    runtime.block_on(async {
        tokio::select! {
            () = connections(arrivals, draining) => {}
            _ = left.wait_for(|_| false) => {}
        }
    });
}

async fn connections<M: MakeService>(
    mut arrivals: UnboundedReceiver<Guest<M>>,
    draining: watch::Receiver<bool>,
) {
    let mut open = JoinSet::new();
    loop {
        tokio::select! {
            arrival = arrivals.recv() => match arrival {
                Some(guest) => {
                    let drain = Drain::from(draining.clone());
                    open.spawn(connection::serve(guest, drain));
                }
                None => break,
            },
            Some(_) = open.join_next() => {}
        }
    }
    while open.join_next().await.is_some() {}
}
