//! Calls by which operators apply and read profiles. The profile crate validates a document before it gets here.

use latchkey_core::error::{ManagementError, RequestError};
use latchkey_core::operator::OperatorRole;
use latchkey_core::record::ProfileRecord;
use latchkey_core::time::Timestamp;

use super::{CallContext, Caller, ManagementService};
use crate::ports::ApplyResult;

/// Valid document to apply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApplyProfile {
    /// Name of the profile in the document.
    pub name: String,
    /// Text of the document.
    pub document: String,
    /// Newest revision of the profiles that the document was checked against.
    pub expected_revision: u64,
    /// True to validate only, without storing the document.
    pub validate_only: bool,
}

impl ManagementService {
    /// Stores a document as the next version. Every replica decides by it when this returns. Returns `None` if
    /// another document was applied since this one was checked against the others.
    pub async fn apply_profile(
        &self,
        caller: &Caller,
        request: ApplyProfile,
        call: &CallContext,
    ) -> Result<Option<ProfileRecord>, ManagementError> {
        caller.require_operator()?;
        if request.validate_only {
            let (name, document) = (request.name.into(), request.document);
            let applied = Timestamp(0);
            return Ok(Some(ProfileRecord { name, version: 0, document, applied, revision: 0 }));
        }
        let entry = self.audit_entry(caller, "profile.apply", call).on_target(&request.name);
        let ApplyProfile { name, document, expected_revision, .. } = &request;
        match self.parts.store.apply_profile(name, document, *expected_revision, entry).await? {
            ApplyResult::Written(written) => Ok(Some(self.wait_until_applied(written, call).await?.value)),
            ApplyResult::Conflict => Ok(None),
        }
    }

    /// Reads a version of a profile; 0 for the newest.
    pub async fn get_profile(
        &self,
        caller: &Caller,
        name: &str,
        version: u64,
        _call: &CallContext,
    ) -> Result<ProfileRecord, ManagementError> {
        caller.require_role(OperatorRole::Read)?;
        if name.chars().any(char::is_control) {
            return Err(RequestError::NotFound("profile").into());
        }
        let version = (version > 0).then_some(version);
        let found = self.parts.store.profile(name, version).await?;
        Ok(found.ok_or(RequestError::NotFound("profile"))?)
    }

    /// Lists the newest version of each profile.
    pub async fn list_profiles(
        &self,
        caller: &Caller,
        _call: &CallContext,
    ) -> Result<Vec<ProfileRecord>, ManagementError> {
        caller.require_role(OperatorRole::Read)?;
        Ok(self.parts.store.profiles().await?)
    }
}
