//! Input of a decision: every field that the gate looks at, parsed once from the message that carried it and
//! borrowed from that message.

use std::borrow::Cow;
use std::fmt;
use std::net::IpAddr;

use smallvec::SmallVec;

use crate::route::{PathError, PathReadings};

/// Credential of a call, as far as it could be read.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum PresentedCredential<'a> {
    /// No credential was sent.
    Missing,
    /// Several credentials with different values were sent.
    Ambiguous,
    /// A value that cannot be a credential: it is not printable ASCII, or it is too long.
    Malformed,
    /// A JWT where the product takes keys alone.
    NotAKey,
    /// A value without the format of a JWT where the product takes JWTs alone.
    NotAJwt,
    /// A single value that may be a credential.
    Value(&'a str),
}

/// Longest credential in bytes. Keys are shorter; JWTs may have 8 KiB.
pub const MAX_CREDENTIAL_BYTES: usize = 8 * 1024;

impl<'a> PresentedCredential<'a> {
    /// Returns the credential that a single value stands for. An empty value means that no credential was
    /// sent.
    #[must_use]
    pub fn of(value: &'a str) -> Self {
        match value {
            "" => Self::Missing,
            v if v.len() <= MAX_CREDENTIAL_BYTES && is_graphic(v) => Self::Value(v),
            _ => Self::Malformed,
        }
    }
}

/// Returns whether every byte is printable ASCII. It reads all bytes instead of stopping at the first other
/// one, so that many are compared at a time: nearly every value is valid.
fn is_graphic(value: &str) -> bool {
    value.bytes().fold(true, |all, byte| all & byte.is_ascii_graphic())
}

impl fmt::Debug for PresentedCredential<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Missing => "Missing",
            Self::Ambiguous => "Ambiguous",
            Self::Malformed => "Malformed",
            Self::NotAKey => "NotAKey",
            Self::NotAJwt => "NotAJwt",
            Self::Value(_) => "Value(redacted)",
        })
    }
}

/// Environment that a call goes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestedEnvironment<'a> {
    /// An environment that is not known, or a profile that is not divided by environment: the credential
    /// decides.
    Any,
    /// An environment known by name: credentials of other environments are denied.
    Named(&'a str),
    /// A host that the profile does not list: every call is denied.
    UnknownHost,
    /// A host that is not a host name or an address in its canonical form, with or without a port: every call is
    /// denied.
    InvalidHost,
}

/// Path of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Path<'a> {
    /// No path was given, so that no route is found.
    Absent,
    /// The check is about scopes alone: no route is looked up, and none is missing.
    ScopesOnly,
    /// A path in canonical form ([`crate::route::canonical`]), which all servers read in the same way.
    Canonical(Cow<'a, str>),
    /// A path that servers read in different ways, each of which must lead to the same route.
    Ambiguous(Box<PathReadings>),
    /// A path that has no canonical form, for this reason.
    NonCanonical(PathError),
}

impl Path<'_> {
    /// Returns the canonical form, if there is one.
    #[must_use]
    pub fn canonical(&self) -> Option<&str> {
        match self {
            Self::Canonical(path) => Some(path),
            Self::Ambiguous(readings) => Some(readings.canonical()),
            Self::Absent | Self::ScopesOnly | Self::NonCanonical(_) => None,
        }
    }
}

/// Selects the rate class of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RateClassSelector<'a> {
    /// The route's class.
    Route,
    /// The route's class, or the named class if the route has none.
    RouteOr(&'a str),
    /// The named class, whatever the route says.
    Fixed(&'a str),
}

/// A few borrowed scope names.
pub type ScopeNames<'a> = SmallVec<[&'a str; 4]>;

/// A few resources, each with the identifier that the call uses.
pub type Resources<'a> = SmallVec<[(&'a str, &'a str); 2]>;

/// Source of the tenant and of the resources of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NamedBy {
    /// The client's request, which can name any tenant and resource.
    Client,
    /// The caller of Check itself.
    CheckCaller,
}

/// Input of one decision, from one request.
#[derive(Clone, Debug)]
pub struct CheckInput<'a> {
    /// The credential that was sent.
    pub credential: PresentedCredential<'a>,
    /// The tenant that the request names, by identifier or slug.
    pub tenant: Option<&'a str>,
    /// Source of the tenant and of the resources.
    pub named_by: NamedBy,
    /// The environment that the request goes to.
    pub environment: RequestedEnvironment<'a>,
    /// The HTTP method; empty if the caller gave none.
    pub method: &'a str,
    /// The HTTP path.
    pub path: Path<'a>,
    /// Scopes that are needed in addition to those of the route.
    pub scopes: ScopeNames<'a>,
    /// Scopes that are needed in place of those of the route. If they are given, a path without a route is
    /// not denied.
    pub route_scopes: Option<ScopeNames<'a>>,
    /// Selects the rate class.
    pub class: RateClassSelector<'a>,
    /// Resources that the request uses, as pairs of resource and identifier.
    pub resource: Resources<'a>,
    /// Resources that replace what the request or its path says about them, as pairs of resource and
    /// identifier.
    pub route_resource: Resources<'a>,
    /// Description of a mistake in the values of Envoy's route, for which every call is denied.
    pub route_mistake: Option<String>,
    /// Tokens to take from each bucket. A cost of zero reads the levels and takes nothing.
    pub cost: u32,
    /// The client's address.
    pub address: Option<IpAddr>,
    /// True to evaluate everything, but to take no tokens and to record no use.
    pub dry_run: bool,
    /// True to enforce also the rules that are in shadow.
    pub strict: bool,
    /// True to return the steps of the evaluation.
    pub explain: bool,
}

impl Default for CheckInput<'_> {
    fn default() -> Self {
        Self {
            credential: PresentedCredential::Missing,
            tenant: None,
            named_by: NamedBy::Client,
            environment: RequestedEnvironment::Any,
            method: "",
            path: Path::Absent,
            scopes: ScopeNames::new(),
            route_scopes: None,
            class: RateClassSelector::Route,
            resource: Resources::new(),
            route_resource: Resources::new(),
            route_mistake: None,
            cost: 1,
            address: None,
            dry_run: false,
            strict: false,
            explain: false,
        }
    }
}
