//! Transport of the server: [`Listener`]s that bound and count connections, TLS whose files are read again when they
//! change, and [`Cores`], one worker thread for each processor core that serves gRPC. What answers the calls is
//! supplied by the composition root ([`MakeService`]).

mod cores;
mod listen;
pub mod tls;

pub use cores::{CoreEnded, Cores, Door, MakeService, Peer, Port};
pub use listen::{Greeting, Guarded, Listener, Visits};
