//! Steps by which a document becomes the next version of its profile: it is compared with the other profiles and with the
//! version so far, refused if it takes access away, and stored.

use latchkey_core::error::RequestError;
use latchkey_core::ports::Limiter;
use latchkey_core::record::ProfileRecord;
use latchkey_management::{
    ApplyProfile, CallContext, Caller, ManagementService, MeasuredChange, refuse_taking_away,
};
use latchkey_profile::{Errors, profile_conflicts_among_stored};
use latchkey_proto::v1;
use tonic::Status;

use super::{ManagementApi, compile, version_of, violations};
use crate::convert::profile;
use crate::status::{error_to_status, request_error_to_status, violations_to_status};

/// Largest number of attempts to apply a document. It is checked for conflicts again if another profile was applied
/// in the meantime.
const MAX_APPLY_ATTEMPTS: usize = 20;

/// Document to apply, and how.
pub(super) struct Application {
    pub(super) document: String,
    pub(super) comment: String,
    pub(super) expected_version: u64,
    pub(super) validate_only: bool,
    pub(super) force: bool,
    pub(super) rollback_to: Option<u64>,
}

impl<L: Limiter> ManagementApi<L> {
    pub(super) async fn apply(
        &self,
        caller: &Caller,
        application: Application,
        context: &CallContext,
    ) -> Result<v1::Profile, Status> {
        let refused = |error: RequestError| request_error_to_status(&error);
        ManagementService::check_comment(&application.comment).map_err(refused)?;
        let (compiled, warnings) = compile(&application.document)?;
        let name = compiled.name();
        for _ in 0..MAX_APPLY_ATTEMPTS {
            let stored = self.management.list_profiles(caller, context).await.map_err(error_to_status)?;
            let expected_revision = profile_conflicts_among_stored(&application.document, &stored)
                .map_err(|Errors(errors)| violations_to_status(&violations(&errors)))?;
            if let Some(rules) = compiled.tokens() {
                self.tokens.can_sign(name, rules).await.map_err(error_to_status)?;
            }
            let old = stored.iter().find(|record| *record.name == *name);
            expect_version(old, application.expected_version).map_err(refused)?;
            let changes = self.measured_diff(caller, name, old, &application.document).await?;
            let diff = profile::diff_to_proto(name, version_of(old), &changes, warnings.clone());
            if application.validate_only {
                let name = name.to_owned();
                let document = application.document;
                return Ok(v1::Profile { name, document, diff: Some(diff), ..v1::Profile::default() });
            }
            if !application.force {
                refuse_taking_away(name, &changes).map_err(refused)?;
            }
            let request = ApplyProfile {
                name: name.to_owned(),
                document: application.document.clone(),
                comment: application.comment.clone(),
                expected_revision,
                rollback_to: application.rollback_to,
                forced: changes.iter().any(MeasuredChange::requires_force),
            };
            let applied = self.management.apply_profile(caller, request, context).await;
            if let Some(applied) = applied.map_err(error_to_status)? {
                return Ok(v1::Profile { diff: Some(diff), ..profile::to_proto(applied) });
            }
        }
        Err(refused(RequestError::ResourceExhausted("other profiles were applied at the same time")))
    }
}

/// Checks that the newest version is the one that the caller knows.
fn expect_version(old: Option<&ProfileRecord>, expected: u64) -> Result<(), RequestError> {
    let newest = version_of(old);
    if expected == 0 || expected == newest {
        return Ok(());
    }
    Err(RequestError::FailedPrecondition(format!(
        "expected_version is {expected}, and the newest version is {newest}: another change was applied; look at the \
         changes from that version, and apply again"
    )))
}
