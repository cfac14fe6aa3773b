//! Tests of the transport: compressed messages, Unix sockets, and, through the printed Envoy configuration,
//! endpoints, handshakes of WebSocket, names of headers and large heads. Also the Envoy of `latchkey dev`.

mod compression;
mod dev;
mod envoy;
mod handshakes;
mod header_names;
mod heads;
mod unix_sockets;
