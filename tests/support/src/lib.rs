//! Support of tests: PostgreSQL, Envoy, grpcurl, an upstream, and the built program itself, each a real
//! process on ports and in a folder of its own. Nothing outlives the test process, however it ends. A test
//! whose programs are missing fails with the command that installs them, and is never skipped.
#![expect(
    clippy::missing_panics_doc,
    reason = "everything here panics where it can't do its work: it is for tests"
)]
#![expect(clippy::disallowed_methods, reason = "waiting for another process needs the real clock")]
#![expect(clippy::print_stderr, reason = "a failed test shows what the servers printed")]

mod ca;
mod caller;
mod clocks;
mod container;
mod disk;
mod document;
mod envoy;
mod folder;
mod grpcurl;
mod http;
mod latchkey;
mod pgbouncer;
mod ports;
mod postgres;
mod process;
mod proxy;
mod reaper;
mod redis;
mod requests;
mod script;
mod shop;
mod sql;
mod start;
mod tools;
mod upstream;
mod wait;

pub use ca::{Ca, Pair};
pub use caller::{Caller, MetadataInterceptor};
pub use clocks::Clocks;
pub use container::{Container, unshare};
pub use disk::Disk;
pub use document::{ProfileBuilder, dashboard_query, replace_once};
pub use envoy::{Envoy, EnvoySetup, Provider};
pub use folder::Folder;
pub use grpcurl::{Grpcurl, GrpcurlOutput};
pub use http::{Answer, Request};
pub use latchkey::{Latchkey, ROOT_KEY, Setup};
pub use pgbouncer::PgBouncer;
pub use ports::{free_port, unread};
pub use postgres::{Postgres, TableLock, Volume};
pub use process::Process;
pub use proxy::{Direction, Proxy};
pub use redis::{Redis, RedisCluster, RedisSentinel, RedisSentinels};
pub use requests::{field_mask, key, scoped, user, with_key};
pub use rustix::process::Signal;
pub use script::{node, python};
pub use shop::{Database, SHOP, answered, call};
pub use sql::{dump_database, load_database};
pub use start::program;
pub use tools::{node_modules, postgres as postgres_programs, tool};
pub use upstream::{Echo, Upstream};
pub use wait::{Progress, eventually, eventually_async, eventually_for, patiently_async};
