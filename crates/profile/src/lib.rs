//! The customs: what differs between products. A document is parsed, validated as a whole and compiled into
//! a [`Profile`]; from then on the profile reads requests for the gate and words its answers.
//!
//! Nothing here decides, and nothing here asks a store.

mod answer;
mod catalog;
pub mod contract;
mod document;
mod endpoint;
mod error;
mod examples;
mod facts;
mod gauge;
mod hosts;
mod lint;
mod needs;
mod profile;
mod read;
mod reader;
mod request;
mod source;
mod template;

pub use answer::{Admission, Always, Refused, Removed, Rendered, default_denial};
pub use catalog::Catalog;
pub use endpoint::{Ask, Code, Endpoint, Matched, Reply};
pub use error::{DocumentError, Errors};
pub use examples::{Answer, KeyPart, Outcome, Played, Props, Scene, Staged, UserPart, Who};
pub use facts::{Facts, Looks};
pub use lint::{contested, contested_among, lint, lint_together};
pub use needs::Needs;
pub use profile::Profile;
pub use read::Reading;
pub use request::{Header, Headers, Request, Scratch};
