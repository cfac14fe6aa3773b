//! The question: everything that a decision looks at, parsed once from whatever message brought it, and
//! borrowed from there.

use std::borrow::Cow;
use std::fmt;
use std::net::IpAddr;

use smallvec::SmallVec;

/// The credential that came with a call.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum PresentedCredential<'a> {
    /// None.
    Missing,
    /// More than one, with different values or in one header.
    Ambiguous,
    /// One that can't be a credential: not printable ASCII, or too long.
    Malformed,
    /// One.
    Value(&'a str),
}

/// The longest key; a JWT may be longer (8 KiB).
pub const MAX_CREDENTIAL_BYTES: usize = 8 * 1024;

impl<'a> PresentedCredential<'a> {
    /// A single value, as it was sent.
    #[must_use]
    pub fn of(value: &'a str) -> Self {
        match value {
            "" => Self::Missing,
            v if v.len() <= MAX_CREDENTIAL_BYTES && is_graphic(v) => Self::Value(v),
            _ => Self::Malformed,
        }
    }
}

/// Looks at all of it, many bytes at a time: nearly every value is a right one.
fn is_graphic(value: &str) -> bool {
    value.bytes().fold(true, |all, byte| all & byte.is_ascii_graphic())
}

impl fmt::Debug for PresentedCredential<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Missing => "Missing",
            Self::Ambiguous => "Ambiguous",
            Self::Malformed => "Malformed",
            Self::Value(_) => "Value(redacted)",
        })
    }
}

/// The environment that a call goes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestedEnvironment<'a> {
    /// Not known or not divided: the credential decides.
    Any,
    /// This one: credentials of another are denied.
    Named(&'a str),
    /// The profile divides by host, and knows no such host: every credential is denied.
    Unknown,
}

/// The path of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Path<'a> {
    /// The caller named none: no route is looked for.
    Absent,
    /// In canonical form ([`crate::route::canonical`]).
    Canonical(Cow<'a, str>),
    /// It can't be brought into canonical form.
    NonCanonical,
}

/// What decides the rate class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RateClassSelector<'a> {
    /// The route.
    Route,
    /// The route, or this one where the route has none.
    RouteOr(&'a str),
    /// This one, whatever the route says.
    Fixed(&'a str),
}

/// A few borrowed names.
pub type ScopeNames<'a> = SmallVec<[&'a str; 4]>;

/// A few resources, each with an identifier.
pub type Resources<'a> = SmallVec<[(&'a str, &'a str); 2]>;

/// May this one pass?
#[derive(Clone, Debug)]
pub struct CheckInput<'a> {
    /// Who asks.
    pub credential: PresentedCredential<'a>,
    /// The tenant that the request names, by id or slug.
    pub tenant: Option<&'a str>,
    /// Where it goes to.
    pub environment: RequestedEnvironment<'a>,
    /// The HTTP method.
    pub method: &'a str,
    /// The HTTP path.
    pub path: Path<'a>,
    /// Scopes that are needed on top of the route's.
    pub scopes: ScopeNames<'a>,
    /// Scopes that are needed in place of the route's; these make any path a known one.
    pub route_scopes: Option<ScopeNames<'a>>,
    /// The rate class.
    pub class: RateClassSelector<'a>,
    /// What is touched: resource and identifier.
    pub resource: Resources<'a>,
    /// What is touched in place of what the request or the path says of these resources.
    pub route_resource: Resources<'a>,
    /// Tokens to take from each bucket; zero looks and takes none.
    pub cost: u32,
    /// The client's address.
    pub address: Option<IpAddr>,
    /// Decide in full, take nothing.
    pub dry_run: bool,
    /// Enforce what is in shadow too.
    pub strict: bool,
    /// Tell the steps.
    pub explain: bool,
}

impl Default for CheckInput<'_> {
    fn default() -> Self {
        Self {
            credential: PresentedCredential::Missing,
            tenant: None,
            environment: RequestedEnvironment::Any,
            method: "",
            path: Path::Absent,
            scopes: ScopeNames::new(),
            route_scopes: None,
            class: RateClassSelector::Route,
            resource: Resources::new(),
            route_resource: Resources::new(),
            cost: 1,
            address: None,
            dry_run: false,
            strict: false,
            explain: false,
        }
    }
}
