//! What a connection carries, as clients meet it: messages that are compressed, and calls over Unix sockets.

mod compression;
mod envoy;
mod handshakes;
mod heads;
mod unix_sockets;
