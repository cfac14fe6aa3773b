//! Responses to a decision: headers to set and to remove, the body of a denial. All values are rendered and escaped
//! here, so that the caller only copies them into a message.

mod allow;
mod deny;
mod headers;
mod problem;
mod removals;

pub(crate) use allow::{MAX_SEPARATORS, RemovalPlan};
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
    /// Path with its query for the upstream, if parameters must be removed from it.
    pub path: Option<String>,
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
    /// A human-readable sentence that reveals no more than the document permits, for clients that read no
    /// body.
    pub message: std::borrow::Cow<'static, str>,
}
