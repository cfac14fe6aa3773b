//! From a decision to what Envoy is told: headers to set and to remove, the body of a denial. Everything is
//! rendered and escaped here; whoever turns it into a message only copies.

mod allow;
mod deny;
mod headers;
mod problem;
mod removals;

pub(crate) use allow::{RemovalPlan, is_separator};
pub(crate) use deny::{CustomDenial, CustomDenials};
pub use headers::RenderedHeaders;
pub(crate) use headers::render_headers;
pub use problem::default_denial;
pub use removals::{HeaderRemovals, StaticRemovals};

/// What becomes of a request that passes. No name is both set and removed.
#[derive(Clone, Debug, Default)]
pub struct AllowResponse<'a> {
    /// Headers that the upstream gets, in place of any that the client sent.
    pub set: RenderedHeaders<'a>,
    /// Headers that the upstream must not get.
    pub remove: HeaderRemovals<'a>,
    /// Query parameters that the upstream must not get, as they are spelled in the request.
    pub remove_query: Vec<&'a str>,
    /// Headers that the client gets with the upstream's answer.
    pub response: RenderedHeaders<'a>,
}

/// What the client gets in place of the upstream's answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DenyResponse<'a> {
    /// The HTTP status.
    pub status: u16,
    /// Headers, with names in lower case.
    pub headers: Vec<(&'a str, String)>,
    /// The body.
    pub body: String,
}
