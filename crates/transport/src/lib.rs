//! Transport of the server: [`Listener`]s that limit and count connections, TLS whose files are read again when they
//! change, and [`WorkerSet`], one worker thread for each CPU core that serves gRPC. The composition root supplies the
//! service of the calls ([`MakeService`]).

mod listen;
pub mod tls;
mod workers;

pub use listen::{
    BindAddress, ConnectionLimits, ConnectionStats, FirstBytesTimeout, HandshakeOutcome, Listener,
    MAX_WAITING, OpenCall, OpenConnection, PeerAddress, UnixSocketFile,
};
pub use workers::{
    BoundPort, MakeService, Peer, PortConfig, ResponseKind, WorkerExited, WorkerSet, response_is_ready,
};
