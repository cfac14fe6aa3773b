//! `latchkey.v1.ProfileService`. A document is compiled here, before it is stored, so that `latchkey-management` gets
//! valid documents only and the caller learns the line of every error. [`apply`] has the steps of a change.

mod apply;

use latchkey_core::error::{FieldViolation, RequestError};
use latchkey_core::ports::Limiter;
use latchkey_core::record::ProfileRecord;
use latchkey_management::{CallContext, Caller, SetProfileSecret};
use latchkey_profile::{DocumentError, Errors, Profile, diff, lint};
use latchkey_proto::v1;
use latchkey_proto::v1::profile_service_server::ProfileService;
use tonic::{Request, Response, Status};

use self::apply::Application;
use super::ManagementApi;
use crate::convert::profile;
use crate::status::{error_to_status, request_error_to_status, violations_to_status};

type RpcResult<T> = Result<Response<T>, Status>;

/// Largest size of a document. The largest document that ships with Latchkey has a few kilobytes.
const MAX_DOCUMENT_BYTES: usize = 512 * 1024;

#[tonic::async_trait]
impl<L: Limiter + 'static> ProfileService for ManagementApi<L> {
    async fn apply_profile(&self, call: Request<v1::ApplyProfileRequest>) -> RpcResult<v1::Profile> {
        let (caller, request, context) = self.authenticate(call).await?;
        let v1::ApplyProfileRequest { document, validate_only, force, comment, expected_version } = request;
        let application =
            Application { document, comment, expected_version, validate_only, force, rollback_to: None };
        Ok(Response::new(self.apply(&caller, application, &context).await?))
    }

    async fn diff_profile(&self, call: Request<v1::DiffProfileRequest>) -> RpcResult<v1::ProfileDiff> {
        let (caller, request, context) = self.authenticate(call).await?;
        let v1::DiffProfileRequest { document, name, version, against_version } = request;
        let document = if document.is_empty() {
            require_name(&name)?;
            self.version(&caller, &name, version, &context).await?.document
        } else {
            document
        };
        let (compiled, warnings) = compile(&document)?;
        if !name.is_empty() && name != compiled.name() {
            let text =
                format!("is {name:?}, and the document's name is {:?}: leave it empty", compiled.name());
            return Err(request_error_to_status(&RequestError::field("name", text)));
        }
        let name = compiled.name();
        let old = match self.version(&caller, name, against_version, &context).await {
            Ok(old) => Some(old),
            Err(status) if status.code() == tonic::Code::NotFound && against_version == 0 => None,
            Err(status) => return Err(status),
        };
        let diff = self.measured_diff(&caller, name, old.as_ref(), &document).await?;
        Ok(Response::new(profile::diff_to_proto(name, version_of(old.as_ref()), &diff, warnings)))
    }

    async fn rollback_profile(&self, call: Request<v1::RollbackProfileRequest>) -> RpcResult<v1::Profile> {
        let (caller, request, context) = self.authenticate(call).await?;
        require_name(&request.name)?;
        let page = self.management.list_profile_versions(&caller, &request.name, 2, "").await;
        let newest: Vec<u64> = page.map_err(error_to_status)?.items.iter().map(|v| v.version).collect();
        let to_version =
            rollback_target(&newest, request.to_version).map_err(|error| request_error_to_status(&error))?;
        let target = self.version(&caller, &request.name, to_version, &context).await?;
        let comment = match request.comment {
            comment if comment.is_empty() => format!("rollback to version {to_version}"),
            comment => comment,
        };
        let application = Application {
            document: target.document,
            comment,
            expected_version: request.expected_version,
            validate_only: request.validate_only,
            force: request.force,
            rollback_to: Some(to_version),
        };
        Ok(Response::new(self.apply(&caller, application, &context).await?))
    }

    async fn get_profile(&self, call: Request<v1::GetProfileRequest>) -> RpcResult<v1::Profile> {
        let (caller, request, context) = self.authenticate(call).await?;
        let found = self.version(&caller, &request.name, request.version, &context).await?;
        Ok(Response::new(profile::to_proto(found)))
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
        let profiles = found.into_iter().map(profile::to_proto).collect();
        Ok(Response::new(v1::ListProfilesResponse { profiles }))
    }

    async fn list_profile_versions(
        &self,
        call: Request<v1::ListProfileVersionsRequest>,
    ) -> RpcResult<v1::ListProfileVersionsResponse> {
        let (caller, request, _) = self.authenticate(call).await?;
        let v1::ListProfileVersionsRequest { name, page_size, page_token } = request;
        require_name(&name)?;
        let page = self
            .management
            .list_profile_versions(&caller, &name, page_size, &page_token)
            .await
            .map_err(error_to_status)?;
        let versions = page.items.into_iter().map(profile::to_proto).collect();
        Ok(Response::new(v1::ListProfileVersionsResponse { versions, next_page_token: page.next }))
    }

    async fn set_profile_secret(
        &self,
        call: Request<v1::SetProfileSecretRequest>,
    ) -> RpcResult<v1::ProfileSecret> {
        let (caller, request, context) = self.authenticate(call).await?;
        let v1::SetProfileSecretRequest { profile, name, secret } = request;
        let request = SetProfileSecret { profile, name, secret: secret.into() };
        let set = self.management.set_profile_secret(&caller, request, &context).await;
        Ok(Response::new(profile::secret_to_proto(set.map_err(error_to_status)?)))
    }

    async fn list_profile_secrets(
        &self,
        call: Request<v1::ListProfileSecretsRequest>,
    ) -> RpcResult<v1::ListProfileSecretsResponse> {
        let (caller, request, context) = self.authenticate(call).await?;
        let found = self.management.list_profile_secrets(&caller, &request.profile, &context).await;
        let secrets = found.map_err(error_to_status)?.into_iter().map(profile::secret_to_proto).collect();
        Ok(Response::new(v1::ListProfileSecretsResponse { secrets }))
    }

    async fn delete_profile_secret(
        &self,
        call: Request<v1::DeleteProfileSecretRequest>,
    ) -> RpcResult<v1::DeleteProfileSecretResponse> {
        let (caller, request, context) = self.authenticate(call).await?;
        let names = (request.profile.as_str(), request.name.as_str());
        self.management.delete_profile_secret(&caller, names, &context).await.map_err(error_to_status)?;
        Ok(Response::new(v1::DeleteProfileSecretResponse {}))
    }
}

impl<L: Limiter> ManagementApi<L> {
    /// Reads a version of a profile; 0 for the newest.
    async fn version(
        &self,
        caller: &Caller,
        name: &str,
        version: u64,
        context: &CallContext,
    ) -> Result<ProfileRecord, Status> {
        self.management.get_profile(caller, name, version, context).await.map_err(error_to_status)
    }

    /// Returns the changes from a version to a document, with the keys, users and tenants that they affect.
    async fn measured_diff(
        &self,
        caller: &Caller,
        name: &str,
        old: Option<&ProfileRecord>,
        document: &str,
    ) -> Result<Vec<latchkey_management::MeasuredChange>, Status> {
        let changes = diff(old.map(|old| old.document.as_str()), document)
            .map_err(|Errors(errors)| violations_to_status(&violations(&errors)))?;
        self.management.measure_profile_changes(caller, name, changes).await.map_err(error_to_status)
    }
}

fn version_of(record: Option<&ProfileRecord>) -> u64 {
    record.map_or(0, |record| record.version)
}

fn require_name(name: &str) -> Result<(), Status> {
    if name.is_empty() {
        let error = RequestError::field("name", "is required: the name of a profile (ListProfiles has them)");
        return Err(request_error_to_status(&error));
    }
    Ok(())
}

/// Returns the version to go back to; 0 requests the one before the newest. `versions` has both of them.
fn rollback_target(versions: &[u64], requested: u64) -> Result<u64, RequestError> {
    match (versions, requested) {
        ([_, before, ..], 0) => Ok(*before),
        ([newest, before, ..], requested) if requested >= *newest => Err(RequestError::field(
            "to_version",
            format!("is {requested}: write a version from 1 to {before}; {newest} is the newest one"),
        )),
        ([_, _, ..], requested) => Ok(requested),
        (_, _) => Err(RequestError::FailedPrecondition(
            "the profile has one version alone: there is none to go back to".to_owned(),
        )),
    }
}

/// Compiles a document, and returns warnings about it. Returns all of its errors if it is not valid.
fn compile(document: &str) -> Result<(Profile, Vec<String>), Status> {
    if document.len() > MAX_DOCUMENT_BYTES {
        let text = format!("must have at most {MAX_DOCUMENT_BYTES} bytes, and has {}", document.len());
        return Err(violations_to_status(&[FieldViolation::new("document", text)]));
    }
    let (profile, warnings) =
        lint(document).map_err(|Errors(errors)| violations_to_status(&violations(&errors)))?;
    Ok((profile, warnings.iter().map(ToString::to_string).collect()))
}

/// Converts errors of a document to violations. The field is `document:LINE:COLUMN`, counted from 1 as in editors,
/// and the description names the field of the document.
fn violations(errors: &[DocumentError]) -> Vec<FieldViolation> {
    let violation =
        |e: &DocumentError| FieldViolation::new(format!("document:{}:{}", e.line, e.column), e.to_string());
    errors.iter().map(violation).collect()
}
