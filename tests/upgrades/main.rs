//! Upgrades and downgrades: databases of earlier versions are opened by the present program, and a program opens a
//! database of a newer version.
//!
//! A folder of a version has a SQLite database and a PostgreSQL database as SQL, and the values that they must still
//! accept. `cargo test --workspace --test upgrades -- --ignored store_a_database_of_this_version` writes the folder of
//! the present version; a release keeps its folder permanently.

#![expect(
    clippy::disallowed_methods,
    reason = "the time of a stored database, and of an upgrade, is that of the machine"
)]

mod newer;
mod opened;
mod rolling;
mod stored;
