//! Transport of the server: [`Listener`]s that bound and count connections, TLS whose files are read again when they
//! change, and [`WorkerSet`], one worker thread for each processor core that serves gRPC. What answers the calls is
//! supplied by the composition root ([`MakeService`]).

mod listen;
pub mod tls;
mod workers;

pub use listen::{ConnectionStats, FirstBytesTimeout, HandshakeOutcome, Listener};
pub use workers::{BoundPort, MakeService, Peer, PortConfig, WorkerExited, WorkerSet};
