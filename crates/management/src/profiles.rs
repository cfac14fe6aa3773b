//! Calls by which operators apply and read profiles. The profile crate validates a document, and finds its changes,
//! before it gets here.

use latchkey_core::error::{ManagementError, MissingName, RequestError};
use latchkey_core::operator::OperatorRole;
use latchkey_core::profile_change::ProfileChange;
use latchkey_core::record::ProfileRecord;

use super::{CallContext, Caller, ManagementService, page};
use crate::field_validator::FieldValidator;
use crate::missing::ObjectType;
use crate::ports::{ApplyResult, AuditAction, NewProfileVersion};
use crate::profile_changes::{MeasuredChange, measure_changes};

/// Valid document to apply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApplyProfile {
    /// Name of the profile in the document.
    pub name: String,
    /// Text of the document.
    pub document: String,
    /// Comment on the change; empty for none.
    pub comment: String,
    /// Newest revision of the profiles that the document was checked against.
    pub expected_revision: u64,
    /// Version that the document is of, if it is applied again.
    pub rollback_to: Option<u64>,
    /// True if the document takes access away and was forced.
    pub forced: bool,
}

impl ManagementService {
    /// Checks the comment of a change.
    pub fn check_comment(comment: &str) -> Result<(), RequestError> {
        let mut fields = FieldValidator::new("");
        fields.text("comment", comment, 0..=256);
        fields.finish()
    }

    /// Counts the keys, users and tenants that changes of a profile affect.
    pub async fn measure_profile_changes(
        &self,
        caller: &Caller,
        profile: &str,
        changes: Vec<ProfileChange>,
    ) -> Result<Vec<MeasuredChange>, ManagementError> {
        caller.require_role(OperatorRole::Read)?;
        let now = self.parts.clock.now().wall;
        Ok(measure_changes(&*self.parts.store, profile, changes, now).await?)
    }

    /// Stores a document as the next version. Every replica decides by it when this returns. Returns `None` if
    /// another document was applied since this one was checked against the others.
    pub async fn apply_profile(
        &self,
        caller: &Caller,
        request: ApplyProfile,
        call: &CallContext,
    ) -> Result<Option<ProfileRecord>, ManagementError> {
        caller.require_operator()?;
        let ApplyProfile { name, document, comment, expected_revision, rollback_to, forced } = &request;
        let action =
            if rollback_to.is_some() { AuditAction::ProfileRollback } else { AuditAction::ProfileApply };
        let text = |number: &u64| number.to_string();
        let entry = self
            .audit_entry(caller, action, call)
            .on_target(name)
            .with_detail("to_version", rollback_to.as_ref().map(text).unwrap_or_default())
            .with_detail("forced", if *forced { "true" } else { "" })
            .with_detail("comment", comment.as_str());
        let version = NewProfileVersion { name, document, comment, expected_revision: *expected_revision };
        match self.parts.store.apply_profile(version, entry).await? {
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
            return Err(self.not_found(ObjectType::Profile, name).into());
        }
        let number = (version > 0).then_some(version);
        if let Some(found) = self.parts.store.profile(name, number).await? {
            return Ok(found);
        }
        let newest = if number.is_some() { self.parts.store.profile(name, None).await? } else { None };
        Err(newest
            .map_or_else(|| self.not_found(ObjectType::Profile, name), |newest| no_version(version, &newest))
            .into())
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

    /// Lists the versions of a profile, newest first, without their documents.
    pub async fn list_profile_versions(
        &self,
        caller: &Caller,
        name: &str,
        page_size: i32,
        page_token: &str,
    ) -> Result<page::Page<ProfileRecord>, ManagementError> {
        caller.require_role(OperatorRole::Read)?;
        let size = page::size(page_size)?;
        // The token holds the version that the next page begins below.
        let before = page::offset(page_token)?;
        if name.chars().any(char::is_control) {
            return Err(self.not_found(ObjectType::Profile, name).into());
        }
        let before = (before > 0).then_some(before);
        let mut items = self.parts.store.profile_versions(name, before, size + 1).await?;
        if items.is_empty() {
            return Err(self.not_found(ObjectType::Profile, name).into());
        }
        let size = usize::try_from(size).unwrap_or(usize::MAX);
        let more = items.len() > size;
        items.truncate(size);
        let last = items.last().filter(|_| more).map(|last| last.version);
        Ok(page::Page { items, next: last.map(page::offset_token).unwrap_or_default() })
    }
}

/// Returns the error of a version that a profile does not have.
fn no_version(version: u64, newest: &ProfileRecord) -> RequestError {
    let text = format!(
        "version {version} of the profile \"{}\" was not found: the newest is {}",
        newest.name, newest.version
    );
    RequestError::NotFound { what: "version of the profile", name: MissingName::Described(text) }
}
