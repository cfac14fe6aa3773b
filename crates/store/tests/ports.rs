//! One suite, run over both adapters: what core's ports promise must hold on SQLite and on PostgreSQL alike.
#![expect(clippy::unwrap_used, reason = "a test that can't go on has failed")]

#[path = "ports/place.rs"]
#[macro_use]
mod place;

#[path = "ports/audit.rs"]
mod audit;
#[path = "ports/bearers.rs"]
mod bearers;
#[path = "ports/change.rs"]
mod change;
#[path = "ports/check.rs"]
mod check;
#[path = "ports/create.rs"]
mod create;
#[path = "ports/desk.rs"]
mod desk;
#[path = "ports/feed.rs"]
mod feed;
#[path = "ports/found.rs"]
mod found;
#[path = "ports/list.rs"]
mod list;
#[path = "ports/outage.rs"]
mod outage;
#[path = "ports/profile.rs"]
mod profile;
#[path = "ports/renewal.rs"]
mod renewal;
#[path = "ports/replicas.rs"]
mod replicas;
#[path = "ports/seals.rs"]
mod seals;
#[path = "ports/shadow.rs"]
mod shadow;
#[path = "ports/signing.rs"]
mod signing;
#[path = "ports/signing_in.rs"]
mod signing_in;
#[path = "ports/spoiled.rs"]
mod spoiled;
#[path = "ports/tenant.rs"]
mod tenant;
#[path = "ports/timing.rs"]
mod timing;
#[path = "ports/tokens.rs"]
mod tokens;
#[path = "ports/usage.rs"]
mod usage;
#[path = "ports/wakeups.rs"]
mod wakeups;
