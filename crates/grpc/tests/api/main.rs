//! Tests of the services over gRPC without a socket: the real gate and management on a store in memory, behind the
//! same routes that the program serves.

#![expect(clippy::unwrap_used, reason = "a test that can't go on has failed")]

mod envoy;
mod fake_audit_log;
mod fake_bulk;
mod fake_deletions;
mod fake_store;
mod fake_tokens;
mod fake_usage_store;
mod fast_path;
mod harness;
mod management;
mod native;
mod native_names;
mod observer;
mod raw_bytes;
mod recording_observer;
mod rpc_table;
mod time_fields;
mod times;
