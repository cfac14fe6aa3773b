//! Tests of the transport: compressed messages, Unix sockets, and, through the printed Envoy configuration,
//! endpoints, handshakes of WebSocket and large heads.

mod compression;
mod envoy;
mod handshakes;
mod heads;
mod unix_sockets;
