//! Profiles: operators apply and read them. Whether a document is in order is told by the profile crate,
//! before it comes here.

use latchkey_core::error::{ManagementError, RequestError};
use latchkey_core::record::ProfileRecord;
use latchkey_core::time::Timestamp;

use super::{CallContext, Caller, ManagementService};
use crate::ports::ApplyResult;

/// A document that is in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApplyProfile {
    /// The name that it gives itself.
    pub name: String,
    /// Its text.
    pub document: String,
    /// The newest revision of the profiles that it was held against.
    pub expected_revision: u64,
    /// Whether that it is in order is all that was asked.
    pub validate_only: bool,
}

impl ManagementService {
    /// Stores a document as the next version. Every replica judges by it when this returns. None: another was applied
    /// since it was held against the others.
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
        let document = (&*request.name, &*request.document);
        match self.parts.store.apply_profile(document, request.expected_revision, entry).await? {
            ApplyResult::Written(written) => Ok(Some(self.wait_until_applied(written, call).await?.value)),
            ApplyResult::Conflict => Ok(None),
        }
    }

    /// Reads a version; 0: the newest.
    pub async fn get_profile(
        &self,
        caller: &Caller,
        (name, version): (&str, u64),
        _call: &CallContext,
    ) -> Result<ProfileRecord, ManagementError> {
        caller.require_operator()?;
        if name.chars().any(char::is_control) {
            return Err(RequestError::NotFound("profile").into());
        }
        let version = (version > 0).then_some(version);
        let found = self.parts.store.profile(name, version).await?;
        Ok(found.ok_or(RequestError::NotFound("profile"))?)
    }

    /// The newest version of each.
    pub async fn list_profiles(
        &self,
        caller: &Caller,
        _call: &CallContext,
    ) -> Result<Vec<ProfileRecord>, ManagementError> {
        caller.require_operator()?;
        Ok(self.parts.store.profiles().await?)
    }
}
