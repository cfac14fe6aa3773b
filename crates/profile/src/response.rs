//! Responses to a decision: headers to set and to remove, the body of a denial. All values are rendered and escaped
//! here, so that the caller only copies them into a message.

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

/// Changes to an allowed request. No header is both set and removed.
#[derive(Clone, Debug, Default)]
pub struct AllowResponse<'a> {
    /// Headers that the upstream gets; they replace the client's own.
    pub set: RenderedHeaders<'a>,
    /// Headers that the upstream must not get.
    pub remove: HeaderRemovals<'a>,
    /// Names of query parameters that the upstream must not get, as they are spelled in the request.
    pub remove_query: Vec<&'a str>,
    /// Headers that the client gets with the upstream's response.
    pub response: RenderedHeaders<'a>,
}

/// Response that the client of a denied request gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DenyResponse<'a> {
    /// The HTTP status.
    pub status: u16,
    /// Headers, with names in lower case.
    pub headers: Vec<(&'a str, String)>,
    /// The body.
    pub body: String,
}
