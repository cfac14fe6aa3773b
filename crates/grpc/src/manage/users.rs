//! RPCs of `latchkey.v1.TenantService` about users.

use latchkey_core::ports::Limiter;
use latchkey_management::password::PlainPassword;
use latchkey_management::{CreateUser, SetUserPassword, UpdateUser};
use latchkey_proto::v1;
use tonic::{Request, Response};

use super::ManagementApi;
use super::tenants::RpcResult;
use crate::convert::{Violations, list, to_btree_map, token};
use crate::status::error_to_status;

impl<L: Limiter> ManagementApi<L> {
    pub(super) async fn handle_create_user(
        &self,
        call: Request<v1::CreateUserRequest>,
    ) -> RpcResult<v1::User> {
        let (caller, request, context) = self.authenticate(call).await?;
        let request = CreateUser {
            tenant: request.tenant,
            email: request.email,
            password: PlainPassword::new(request.password),
            role: request.role,
            bindings: to_btree_map(request.bindings),
            environment: request.environment,
        };
        let created = self.tokens.create_user(&caller, request, &context).await.map_err(error_to_status)?;
        Ok(Response::new(token::user(&created)))
    }

    pub(super) async fn handle_list_users(
        &self,
        call: Request<v1::ListUsersRequest>,
    ) -> RpcResult<v1::ListUsersResponse> {
        let (caller, request, context) = self.authenticate(call).await?;
        let mut violations = Violations::default();
        let mut request = list::users(request, &mut violations);
        request.violations = violations.into_violations();
        let page = self.tokens.list_users(&caller, request, &context).await.map_err(error_to_status)?;
        let users = page.items.iter().map(token::user).collect();
        Ok(Response::new(v1::ListUsersResponse { users, next_page_token: page.next }))
    }

    pub(super) async fn handle_set_user_password(
        &self,
        call: Request<v1::SetUserPasswordRequest>,
    ) -> RpcResult<v1::User> {
        let (caller, request, context) = self.authenticate(call).await?;
        let request = SetUserPassword { id: request.id, password: PlainPassword::new(request.password) };
        let changed =
            self.tokens.set_user_password(&caller, request, &context).await.map_err(error_to_status)?;
        Ok(Response::new(token::user(&changed)))
    }

    pub(super) async fn handle_disable_user(
        &self,
        call: Request<v1::DisableUserRequest>,
    ) -> RpcResult<v1::User> {
        let (caller, request, context) = self.authenticate(call).await?;
        let changed =
            self.tokens.disable_user(&caller, &request.id, &context).await.map_err(error_to_status)?;
        Ok(Response::new(token::user(&changed)))
    }

    pub(super) async fn handle_update_user(
        &self,
        call: Request<v1::UpdateUserRequest>,
    ) -> RpcResult<v1::User> {
        let (caller, request, context) = self.authenticate(call).await?;
        let user = request.user.unwrap_or_default();
        let request = UpdateUser {
            id: user.id,
            fields: request.update_mask.unwrap_or_default().paths,
            role: user.role,
            bindings: to_btree_map(user.bindings),
            environment: user.environment,
            disabled: user.disabled,
        };
        let changed = self.tokens.update_user(&caller, request, &context).await.map_err(error_to_status)?;
        Ok(Response::new(token::user(&changed)))
    }
}
