//! The part of `latchkey.v1.TenantService` that is about users.

use latchkey_core::ports::Limiter;
use latchkey_management::password::PlainPassword;
use latchkey_management::{CreateUser, ListUsers, SetUserPassword, UpdateUser};
use latchkey_proto::v1;
use tonic::{Request, Response};

use super::Desk;
use super::tenants::Answer;
use crate::convert::{ordered, token};
use crate::fate::failed;

impl<L: Limiter> Desk<L> {
    pub(super) async fn make_user(&self, call: Request<v1::CreateUserRequest>) -> Answer<v1::User> {
        let (by, ask, context) = self.receive(call).await?;
        let ask = CreateUser {
            tenant: ask.tenant,
            email: ask.email,
            password: PlainPassword::new(ask.password),
            role: ask.role,
            bindings: ordered(ask.bindings),
            environment: ask.environment,
        };
        let made = self.tokens.create_user(&by, ask, &context).await.map_err(failed)?;
        Ok(Response::new(token::user(&made)))
    }

    pub(super) async fn page_of_users(
        &self,
        call: Request<v1::ListUsersRequest>,
    ) -> Answer<v1::ListUsersResponse> {
        let (by, ask, context) = self.receive(call).await?;
        let ask = ListUsers { tenant: ask.tenant, page_size: ask.page_size, page_token: ask.page_token };
        let page = self.tokens.list_users(&by, ask, &context).await.map_err(failed)?;
        let users = page.items.iter().map(token::user).collect();
        Ok(Response::new(v1::ListUsersResponse { users, next_page_token: page.next }))
    }

    pub(super) async fn change_password(
        &self,
        call: Request<v1::SetUserPasswordRequest>,
    ) -> Answer<v1::User> {
        let (by, ask, context) = self.receive(call).await?;
        let ask = SetUserPassword { id: ask.id, password: PlainPassword::new(ask.password) };
        let changed = self.tokens.set_user_password(&by, ask, &context).await.map_err(failed)?;
        Ok(Response::new(token::user(&changed)))
    }

    pub(super) async fn switch_off(&self, call: Request<v1::DisableUserRequest>) -> Answer<v1::User> {
        let (by, ask, context) = self.receive(call).await?;
        let changed = self.tokens.disable_user(&by, &ask.id, &context).await.map_err(failed)?;
        Ok(Response::new(token::user(&changed)))
    }

    pub(super) async fn change_user(&self, call: Request<v1::UpdateUserRequest>) -> Answer<v1::User> {
        let (by, ask, context) = self.receive(call).await?;
        let user = ask.user.unwrap_or_default();
        let ask = UpdateUser {
            id: user.id,
            fields: ask.update_mask.unwrap_or_default().paths,
            role: user.role,
            bindings: ordered(user.bindings),
            environment: user.environment,
            disabled: user.disabled,
        };
        let changed = self.tokens.update_user(&by, ask, &context).await.map_err(failed)?;
        Ok(Response::new(token::user(&changed)))
    }
}
