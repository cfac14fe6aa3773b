//! Composition root: connects the crates by the settings, starts them and shuts them down. It has no business rules,
//! queries or message conversions.

pub mod doctor;
pub mod migrate;
pub mod rewrap;
pub mod signals;
mod signing;

pub mod profile_test;

mod anchor;
mod blocking_pool;
mod check_callers;
mod clock;
mod compression;
mod config;
mod endless_streams;
mod error;
mod follower;
mod grpc_routes;
mod hardening;
mod host_checks;
mod http_server;
mod lookup_batcher;
mod message_body;
mod metric_sources;
mod open_files;
mod pending_calls;
mod ports;
mod profile_files;
mod pruning;
mod random;
mod rate_limiter;
mod readiness;
mod router;
mod serve;
mod served_apis;
mod startup;
mod supervisor;
mod unused_input;
mod usage;
mod wiring;

pub use clock::unix_seconds;
pub use config::{
    load as load_settings, load_database as load_database_settings, load_for_rewrap as load_rewrap_settings,
    start_log,
};
pub use error::ServeError;
pub use hardening::protect_memory;
pub use latchkey_core::operator::PREFIX as OPERATOR_KEY_PREFIX;
pub use latchkey_telemetry::FlushGuard;
pub use profile_files::ProfileFilesError;
pub use random::new_root_key;
pub use readiness::Stage;
pub use serve::{Server, serve};
pub use startup::StartupConflict;
