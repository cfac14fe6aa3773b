//! From a decision to what Envoy is told: headers to set and to remove, the body of a denial. Everything is
//! rendered and escaped here; whoever turns it into a message only copies.

mod allow;
mod deny;
mod problem;
mod removed;
mod rendered;

pub(crate) use allow::{Removals, is_joint};
pub(crate) use deny::{Denials, OwnDenial};
pub use problem::default_denial;
pub use removed::{Always, Removed};
pub use rendered::Rendered;
pub(crate) use rendered::rendered;

/// What becomes of a request that passes. No name is both set and removed.
#[derive(Clone, Debug, Default)]
pub struct Admission<'a> {
    /// Headers that the upstream gets, in place of any that the client sent.
    pub set: Rendered<'a>,
    /// Headers that the upstream must not get.
    pub remove: Removed<'a>,
    /// Query parameters that the upstream must not get, as they are spelled in the request.
    pub remove_query: Vec<&'a str>,
    /// Headers that the client gets with the upstream's answer.
    pub response: Rendered<'a>,
}

/// What the client gets in place of the upstream's answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused<'a> {
    /// The HTTP status.
    pub status: u16,
    /// Headers, with names in lower case.
    pub headers: Vec<(&'a str, String)>,
    /// The body.
    pub body: String,
}
