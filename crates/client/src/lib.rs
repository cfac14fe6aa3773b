//! Client of Latchkey: a channel with deadlines and retries ([`Connect`], [`Checker`]), and a tower layer that
//! protects a tonic or axum service by sending a Check for each of its calls ([`Guard`]).
//!
//! The client caches no decision: a cached permit could outlive the revocation of its key.
//!
//! An axum service whose handlers run only for requests that Latchkey allows:
//!
//! ```
//! use axum::routing::get;
//! use axum::{Extension, Router};
//! use latchkey_client::{Checker, Connect, ConnectError, Guard, v1};
//!
//! async fn things(Extension(principal): Extension<v1::Principal>) -> String {
//!     format!("hello {}", principal.tenant_slug)
//! }
//!
//! fn service() -> Result<Router, ConnectError> {
//!     let channel = Connect::to("http://127.0.0.1:50051").connect_lazy()?;
//!     Ok(Router::new().route("/things", get(things)).layer(Guard::new(Checker::new(channel))))
//! }
//! ```

mod checker;
mod connect;
mod guard;

pub use checker::Checker;
pub use connect::{Connect, ConnectError, Credential};
pub use guard::{CustomizeRequest, Guard, GuardedService, OnOutage};
pub use latchkey_proto::v1;
