//! RPCs that delete keys, users, tenants and profiles. They are part of the services of what they delete.

use latchkey_core::ports::Limiter;
use latchkey_management::{DeleteKey, DeleteProfile};
use latchkey_proto::v1;
use tonic::Request;

use super::ManagementApi;
use super::tenants::RpcResult;
use crate::status::error_to_status;

impl<L: Limiter> ManagementApi<L> {
    pub(super) async fn handle_delete_key(
        &self,
        call: Request<v1::DeleteKeyRequest>,
    ) -> RpcResult<v1::DeleteKeyResponse> {
        let (caller, request, context) = self.authenticate(call).await?;
        let request = DeleteKey { id: request.id, force: request.force };
        let revision =
            self.deletions.delete_key(&caller, request, &context).await.map_err(error_to_status)?;
        Ok(v1::DeleteKeyResponse { revision }.into())
    }

    pub(super) async fn handle_delete_user(
        &self,
        call: Request<v1::DeleteUserRequest>,
    ) -> RpcResult<v1::DeleteUserResponse> {
        let (caller, request, context) = self.authenticate(call).await?;
        let revision =
            self.deletions.delete_user(&caller, &request.id, &context).await.map_err(error_to_status)?;
        Ok(v1::DeleteUserResponse { revision }.into())
    }

    pub(super) async fn handle_delete_tenant(
        &self,
        call: Request<v1::DeleteTenantRequest>,
    ) -> RpcResult<v1::DeleteTenantResponse> {
        let (caller, request, context) = self.authenticate(call).await?;
        let deleted = self
            .deletions
            .delete_tenant(&caller, &request.tenant, &context)
            .await
            .map_err(error_to_status)?;
        Ok(v1::DeleteTenantResponse {
            id: deleted.id.to_string(),
            revision: deleted.revision,
            keys: deleted.erased.keys,
            users: deleted.erased.users,
        }
        .into())
    }

    pub(super) async fn handle_delete_profile(
        &self,
        call: Request<v1::DeleteProfileRequest>,
    ) -> RpcResult<v1::DeleteProfileResponse> {
        let (caller, request, context) = self.authenticate(call).await?;
        let request = DeleteProfile { name: request.name, force: request.force };
        let deleted =
            self.deletions.delete_profile(&caller, request, &context).await.map_err(error_to_status)?;
        Ok(v1::DeleteProfileResponse {
            revision: deleted.revision,
            tenants: deleted.tenants,
            keys: deleted.erased.keys,
            users: deleted.erased.users,
        }
        .into())
    }
}
