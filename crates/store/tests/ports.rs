//! The suite for both databases: the guarantees of core's ports must hold on SQLite and on PostgreSQL alike.
#![expect(clippy::unwrap_used, reason = "a failed step fails the test")]

#[path = "ports/database.rs"]
#[macro_use]
mod database;

#[path = "ports/audit.rs"]
mod audit;
#[path = "ports/bootstrap.rs"]
mod bootstrap;
#[path = "ports/bulk.rs"]
mod bulk;
#[path = "ports/callers.rs"]
mod callers;
#[path = "ports/change.rs"]
mod change;
#[path = "ports/check.rs"]
mod check;
#[path = "ports/corrupt_rows.rs"]
mod corrupt_rows;
#[path = "ports/create.rs"]
mod create;
#[path = "ports/deletion.rs"]
mod deletion;
#[path = "ports/dialect.rs"]
mod dialect;
#[path = "ports/feed.rs"]
mod feed;
#[path = "ports/find.rs"]
mod find;
#[path = "ports/find_others.rs"]
mod find_others;
#[path = "ports/harness.rs"]
mod harness;
#[path = "ports/impact.rs"]
mod impact;
#[path = "ports/jwt.rs"]
mod jwt;
#[path = "ports/list.rs"]
mod list;
#[path = "ports/login.rs"]
mod login;
#[path = "ports/lost_writes.rs"]
mod lost_writes;
#[path = "ports/notifications.rs"]
mod notifications;
#[path = "ports/outage.rs"]
mod outage;
#[path = "ports/partial.rs"]
mod partial;
#[path = "ports/profile.rs"]
mod profile;
#[path = "ports/profile_deletion.rs"]
mod profile_deletion;
#[path = "ports/profile_secret.rs"]
mod profile_secret;
#[path = "ports/pruned_events.rs"]
mod pruned_events;
#[path = "ports/refresh.rs"]
mod refresh;
#[path = "ports/replicas.rs"]
mod replicas;
#[path = "ports/sealed_values.rs"]
mod sealed_values;
#[path = "ports/sessions.rs"]
mod sessions;
#[path = "ports/shadow.rs"]
mod shadow;
#[path = "ports/shared_writes.rs"]
mod shared_writes;
#[path = "ports/signing.rs"]
mod signing;
#[path = "ports/standby_commits.rs"]
mod standby_commits;
#[path = "ports/tenant.rs"]
mod tenant;
#[path = "ports/timing.rs"]
mod timing;
#[path = "ports/tokens.rs"]
mod tokens;
#[path = "ports/usage.rs"]
mod usage;
#[path = "ports/workers.rs"]
mod workers;
