//! Conversion of reasons.

use latchkey_core::reason::{Reason, StoredReason};
use latchkey_proto::v1;

/// Converts a reason to the enum of the contract.
pub(crate) fn reason(reason: Reason) -> v1::Reason {
    match reason {
        Reason::MissingCredential => v1::Reason::MissingCredential,
        Reason::AmbiguousCredential => v1::Reason::AmbiguousCredential,
        Reason::InvalidCredential => v1::Reason::InvalidCredential,
        Reason::Revoked => v1::Reason::Revoked,
        Reason::Expired => v1::Reason::Expired,
        Reason::TenantRequired => v1::Reason::TenantRequired,
        Reason::TenantMismatch => v1::Reason::TenantMismatch,
        Reason::TenantSuspended => v1::Reason::TenantSuspended,
        Reason::EnvironmentMismatch => v1::Reason::EnvironmentMismatch,
        Reason::InsufficientScope => v1::Reason::InsufficientScope,
        Reason::ResourceMismatch => v1::Reason::ResourceMismatch,
        Reason::NetworkNotAllowed => v1::Reason::NetworkNotAllowed,
        Reason::RouteNotAllowed => v1::Reason::RouteNotAllowed,
        Reason::RateLimited => v1::Reason::RateLimited,
        Reason::Disabled => v1::Reason::Disabled,
        Reason::HostNotAllowed => v1::Reason::HostNotAllowed,
        Reason::RouteNotFound => v1::Reason::RouteNotFound,
        Reason::MethodNotAllowed => v1::Reason::MethodNotAllowed,
    }
}

/// Converts a stored reason; one that only a newer version has is unspecified.
pub(crate) fn stored_reason(stored: &StoredReason) -> v1::Reason {
    match stored {
        StoredReason::Known(known) => reason(*known),
        StoredReason::Unknown(_) => v1::Reason::Unspecified,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_have_the_contracts_names() {
        for core in Reason::ALL {
            assert_eq!(reason(*core).as_str_name(), format!("REASON_{}", core.name()));
        }
        assert_eq!(Reason::ALL.len(), 18);
    }
}
