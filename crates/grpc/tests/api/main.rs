//! The services as callers meet them, over gRPC without a socket: a gate and a registrar on books that are
//! kept in memory, behind the same routes that the program serves.

#![expect(clippy::unwrap_used, reason = "a test that can't go on has failed")]

mod envoy;
mod fake_audit_log;
mod fake_store;
mod fake_tokens;
mod fake_usage_store;
mod fast_path;
mod harness;
mod management;
mod native;
mod observer;
mod recording_observer;
mod rpc_table;
