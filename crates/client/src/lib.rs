//! For callers: a channel to Latchkey with deadlines and retries ([`Connect`], [`Checker`]), and a tower layer that
//! protects any tonic or axum service by asking Latchkey about each of its calls ([`Guard`]).
//!
//! Nothing is remembered here: an answer is good for the call that it was asked for, and for no other.

mod checker;
mod connect;
mod guard;

pub use checker::Checker;
pub use connect::{Connect, ConnectError, Credential};
pub use guard::{CustomizeRequest, Guard, GuardedService, OnOutage};
pub use latchkey_proto::v1;
