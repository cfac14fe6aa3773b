//! The services as callers meet them, over gRPC without a socket: a gate and a registrar on books that are
//! kept in memory, behind the same routes that the program serves.

mod books;
mod envoy;
mod management;
mod native;
mod table;
mod world;
