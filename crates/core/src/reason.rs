//! Reasons of denials. Their names are those of `latchkey.v1.Reason`; profiles use the same names.

use std::fmt;
use std::str::FromStr;

macro_rules! reasons {
    ($($variant:ident = $name:literal, $message:literal;)*) => {
        /// Reason why a call was denied.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Reason {
            $(#[doc = $message] $variant,)*
        }

        impl Reason {
            /// Every reason, in the contract's order.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// Returns the name in the contract (`MISSING_CREDENTIAL`).
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// Returns the human-readable default message.
            #[must_use]
            pub fn message(self) -> &'static str {
                match self { $(Self::$variant => $message,)* }
            }
        }
    };
}

reasons! {
    MissingCredential = "MISSING_CREDENTIAL", "No credential was sent.";
    AmbiguousCredential = "AMBIGUOUS_CREDENTIAL", "More than one credential was sent.";
    InvalidCredential = "INVALID_CREDENTIAL", "The credential is not valid.";
    Revoked = "REVOKED", "The credential has been revoked.";
    Expired = "EXPIRED", "The credential has expired.";
    TenantRequired = "TENANT_REQUIRED", "The request does not name its tenant.";
    TenantMismatch = "TENANT_MISMATCH", "The credential does not belong to the tenant that the request names.";
    TenantSuspended = "TENANT_SUSPENDED", "The tenant is suspended.";
    EnvironmentMismatch = "ENVIRONMENT_MISMATCH", "The credential belongs to another environment.";
    InsufficientScope = "INSUFFICIENT_SCOPE", "The credential lacks a scope that is needed here.";
    ResourceMismatch = "RESOURCE_MISMATCH", "The credential is confined to another resource.";
    NetworkNotAllowed = "NETWORK_NOT_ALLOWED", "The credential may not be used from this network.";
    RouteNotAllowed = "ROUTE_NOT_ALLOWED", "This route is not open to the credential.";
    RateLimited = "RATE_LIMITED", "Too many requests.";
    Disabled = "DISABLED", "The credential is switched off.";
    HostNotAllowed = "HOST_NOT_ALLOWED", "This host does not belong to the product.";
    RouteNotFound = "ROUTE_NOT_FOUND", "There is nothing at this path.";
    MethodNotAllowed = "METHOD_NOT_ALLOWED", "This path does not take this method.";
}

impl Reason {
    /// Returns whether the caller is not authenticated (HTTP 401), as opposed to authenticated and not
    /// allowed (HTTP 403).
    #[must_use]
    pub fn unauthenticated(self) -> bool {
        match self {
            Self::MissingCredential
            | Self::AmbiguousCredential
            | Self::InvalidCredential
            | Self::Revoked
            | Self::Expired
            | Self::Disabled
            | Self::TenantRequired
            | Self::EnvironmentMismatch => true,
            Self::TenantMismatch
            | Self::TenantSuspended
            | Self::InsufficientScope
            | Self::ResourceMismatch
            | Self::NetworkNotAllowed
            | Self::RouteNotAllowed
            | Self::HostNotAllowed
            | Self::RouteNotFound
            | Self::MethodNotAllowed
            | Self::RateLimited => false,
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A name that belongs to no reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a reason")]
pub struct UnknownReason;

impl FromStr for Reason {
    type Err = UnknownReason;

    fn from_str(name: &str) -> Result<Self, UnknownReason> {
        Self::ALL.iter().copied().find(|r| r.name() == name).ok_or(UnknownReason)
    }
}

/// Reason of a stored denial. While replicas are replaced by those of a newer version, this can be a reason that this
/// version does not have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoredReason {
    /// A reason that this version has.
    Known(Reason),
    /// The name of a reason that a newer version has.
    Unknown(Box<str>),
}

impl StoredReason {
    /// Returns the name in the contract (`MISSING_CREDENTIAL`).
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Known(reason) => reason.name(),
            Self::Unknown(name) => name,
        }
    }
}

impl From<Reason> for StoredReason {
    fn from(reason: Reason) -> Self {
        Self::Known(reason)
    }
}

impl FromStr for StoredReason {
    type Err = UnknownReason;

    /// Accepts each text that has the form of a reason's name.
    fn from_str(name: &str) -> Result<Self, UnknownReason> {
        let is_of_name = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_';
        match name.parse() {
            Ok(reason) => Ok(Self::Known(reason)),
            Err(_) if !name.is_empty() && name.bytes().all(is_of_name) => Ok(Self::Unknown(name.into())),
            Err(unknown) => Err(unknown),
        }
    }
}
