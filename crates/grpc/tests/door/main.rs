//! The services as callers meet them, over gRPC without a socket: a gate and a registrar on books that are
//! kept in memory, behind the same routes that the program serves.

#![expect(clippy::unwrap_used, reason = "a test that can't go on has failed")]

mod books;
mod desk;
mod envoy;
mod fast_path;
mod heard;
mod log;
mod management;
mod native;
mod table;
mod usage;
mod witness;
mod world;
