//! `latchkey.v1.TenantService`. Its RPCs about users are in [`super::users`].

use latchkey_core::ports::Limiter;
use latchkey_management::SuspendTenant;
use latchkey_proto::v1;
use latchkey_proto::v1::tenant_service_server::TenantService;
use tonic::{Request, Response, Status};

use super::ManagementApi;
use crate::convert::{Violations, list, tenant};
use crate::status::{error_to_status, request_error_to_status};

pub(super) type RpcResult<T> = Result<Response<T>, Status>;

#[tonic::async_trait]
impl<L: Limiter + 'static> TenantService for ManagementApi<L> {
    async fn create_tenant(&self, call: Request<v1::CreateTenantRequest>) -> RpcResult<v1::Tenant> {
        let (caller, request, context) = self.authenticate(call).await?;
        let created = self
            .management
            .create_tenant(&caller, tenant::create(request), &context)
            .await
            .map_err(error_to_status)?;
        Ok(Response::new(tenant::to_proto(&created)))
    }

    async fn get_tenant(&self, call: Request<v1::GetTenantRequest>) -> RpcResult<v1::Tenant> {
        let (caller, request, context) = self.authenticate(call).await?;
        let found =
            self.management.get_tenant(&caller, &request.tenant, &context).await.map_err(error_to_status)?;
        Ok(Response::new(tenant::to_proto(&found)))
    }

    async fn list_tenants(
        &self,
        call: Request<v1::ListTenantsRequest>,
    ) -> RpcResult<v1::ListTenantsResponse> {
        let (caller, request, context) = self.authenticate(call).await?;
        let mut violations = Violations::default();
        let mut request = list::tenants(request, &mut violations);
        request.violations = violations.into_violations();
        let page = self.management.list_tenants(&caller, request, &context).await.map_err(error_to_status)?;
        let tenants = page.items.iter().map(tenant::to_proto).collect();
        Ok(Response::new(v1::ListTenantsResponse { tenants, next_page_token: page.next }))
    }

    async fn update_tenant(&self, call: Request<v1::UpdateTenantRequest>) -> RpcResult<v1::Tenant> {
        let (caller, request, context) = self.authenticate(call).await?;
        let mut violations = Violations::default();
        let request = tenant::update(request, &mut violations);
        violations.finish().map_err(|r| request_error_to_status(&r))?;
        let changed =
            self.management.update_tenant(&caller, request, &context).await.map_err(error_to_status)?;
        Ok(Response::new(tenant::to_proto(&changed)))
    }

    async fn suspend_tenant(&self, call: Request<v1::SuspendTenantRequest>) -> RpcResult<v1::Tenant> {
        let (caller, request, context) = self.authenticate(call).await?;
        let request = SuspendTenant { tenant: request.tenant, reason: request.reason };
        let changed =
            self.management.suspend_tenant(&caller, request, &context).await.map_err(error_to_status)?;
        Ok(Response::new(tenant::to_proto(&changed)))
    }

    async fn resume_tenant(&self, call: Request<v1::ResumeTenantRequest>) -> RpcResult<v1::Tenant> {
        let (caller, request, context) = self.authenticate(call).await?;
        let changed = self
            .management
            .resume_tenant(&caller, &request.tenant, &context)
            .await
            .map_err(error_to_status)?;
        Ok(Response::new(tenant::to_proto(&changed)))
    }

    async fn delete_tenant(
        &self,
        call: Request<v1::DeleteTenantRequest>,
    ) -> RpcResult<v1::DeleteTenantResponse> {
        self.handle_delete_tenant(call).await
    }

    async fn delete_user(&self, call: Request<v1::DeleteUserRequest>) -> RpcResult<v1::DeleteUserResponse> {
        self.handle_delete_user(call).await
    }

    async fn create_user(&self, call: Request<v1::CreateUserRequest>) -> RpcResult<v1::User> {
        self.handle_create_user(call).await
    }

    async fn list_users(&self, call: Request<v1::ListUsersRequest>) -> RpcResult<v1::ListUsersResponse> {
        self.handle_list_users(call).await
    }

    async fn set_user_password(&self, call: Request<v1::SetUserPasswordRequest>) -> RpcResult<v1::User> {
        self.handle_set_user_password(call).await
    }

    async fn disable_user(&self, call: Request<v1::DisableUserRequest>) -> RpcResult<v1::User> {
        self.handle_disable_user(call).await
    }

    async fn update_user(&self, call: Request<v1::UpdateUserRequest>) -> RpcResult<v1::User> {
        self.handle_update_user(call).await
    }
}
