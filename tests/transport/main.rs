//! Tests of the transport: compressed messages, Unix sockets, and, through the printed Envoy configuration,
//! endpoints, handshakes of WebSocket, names of headers and large heads.

mod compression;
mod envoy;
mod handshakes;
mod header_names;
mod heads;
mod unix_sockets;
