//! `latchkey.v1.ProfileService`. A document is compiled here, before it is stored, so that `latchkey-management` gets
//! valid documents only and the caller learns the line of every error.

use latchkey_core::error::{FieldViolation, RequestError};
use latchkey_core::ports::Limiter;
use latchkey_management::ApplyProfile;
use latchkey_profile::{DocumentError, Errors, Profile, profile_conflicts_among_stored};
use latchkey_proto::v1;
use latchkey_proto::v1::profile_service_server::ProfileService;
use tonic::{Request, Response, Status};

use super::ManagementApi;
use crate::convert::tenant;
use crate::status::{error_to_status, request_error_to_status, violations_to_status};

type RpcResult<T> = Result<Response<T>, Status>;

/// Largest size of a document. The largest document that ships with Latchkey has a few kilobytes.
const MAX_DOCUMENT_BYTES: usize = 512 * 1024;

/// Largest number of attempts to apply a document. It is checked for conflicts again if another profile was applied
/// in the meantime.
const MAX_APPLY_ATTEMPTS: usize = 20;

#[tonic::async_trait]
impl<L: Limiter + 'static> ProfileService for ManagementApi<L> {
    async fn apply_profile(&self, call: Request<v1::ApplyProfileRequest>) -> RpcResult<v1::Profile> {
        let (caller, request, context) = self.authenticate(call).await?;
        let profile = compile(&request.document).map_err(|violations| violations_to_status(&violations))?;
        let name = profile.name().to_owned();
        let v1::ApplyProfileRequest { document, validate_only } = request;
        let mut request = ApplyProfile { name, document, expected_revision: 0, validate_only };
        for _ in 0..MAX_APPLY_ATTEMPTS {
            let stored = self.management.list_profiles(&caller, &context).await.map_err(error_to_status)?;
            let revision = profile_conflicts_among_stored(&request.document, &stored);
            request.expected_revision =
                revision.map_err(|Errors(errors)| violations_to_status(&violations(&errors)))?;
            if let Some(rules) = profile.tokens() {
                self.tokens.can_sign(&request.name, rules).await.map_err(error_to_status)?;
            }
            let applied = self
                .management
                .apply_profile(&caller, request.clone(), &context)
                .await
                .map_err(error_to_status)?;
            if let Some(applied) = applied {
                return Ok(Response::new(tenant::profile(applied)));
            }
        }
        Err(request_error_to_status(&RequestError::ResourceExhausted(
            "other profiles were applied at the same time",
        )))
    }

    async fn get_profile(&self, call: Request<v1::GetProfileRequest>) -> RpcResult<v1::Profile> {
        let (caller, request, context) = self.authenticate(call).await?;
        let found = self
            .management
            .get_profile(&caller, &request.name, request.version, &context)
            .await
            .map_err(error_to_status)?;
        Ok(Response::new(tenant::profile(found)))
    }

    async fn delete_profile(
        &self,
        call: Request<v1::DeleteProfileRequest>,
    ) -> RpcResult<v1::DeleteProfileResponse> {
        self.handle_delete_profile(call).await
    }

    async fn list_profiles(
        &self,
        call: Request<v1::ListProfilesRequest>,
    ) -> RpcResult<v1::ListProfilesResponse> {
        let (caller, _, context) = self.authenticate(call).await?;
        let found = self.management.list_profiles(&caller, &context).await.map_err(error_to_status)?;
        let profiles = found.into_iter().map(tenant::profile).collect();
        Ok(Response::new(v1::ListProfilesResponse { profiles }))
    }
}

/// Compiles a document. Returns all of its errors if it is not valid.
fn compile(document: &str) -> Result<Profile, Vec<FieldViolation>> {
    if document.len() > MAX_DOCUMENT_BYTES {
        let text = format!("must have at most {MAX_DOCUMENT_BYTES} bytes, and has {}", document.len());
        return Err(vec![FieldViolation::new("document", text)]);
    }
    Profile::compile(document, 0).map_err(|Errors(errors)| violations(&errors))
}

/// Converts errors of a document to violations. The field is `document:LINE:COLUMN`, counted from 1 as in editors,
/// and the description names the field of the document.
fn violations(errors: &[DocumentError]) -> Vec<FieldViolation> {
    let violation =
        |e: &DocumentError| FieldViolation::new(format!("document:{}:{}", e.line, e.column), e.to_string());
    errors.iter().map(violation).collect()
}
