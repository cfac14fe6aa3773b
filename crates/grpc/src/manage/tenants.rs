//! `latchkey.v1.TenantService`. What it does about users is in [`super::users`].

use latchkey_core::ports::Limiter;
use latchkey_management::{ListTenants, SuspendTenant};
use latchkey_proto::v1;
use latchkey_proto::v1::tenant_service_server::TenantService;
use tonic::{Request, Response, Status};

use super::Desk;
use crate::convert::{Wrong, tenant};
use crate::fate::{failed, refused};

pub(super) type Answer<T> = Result<Response<T>, Status>;

#[tonic::async_trait]
impl<L: Limiter + 'static> TenantService for Desk<L> {
    async fn create_tenant(&self, call: Request<v1::CreateTenantRequest>) -> Answer<v1::Tenant> {
        let (by, ask, context) = self.receive(call).await?;
        let made = self.registrar.create_tenant(&by, tenant::create(ask), &context).await.map_err(failed)?;
        Ok(Response::new(tenant::show(&made)))
    }

    async fn get_tenant(&self, call: Request<v1::GetTenantRequest>) -> Answer<v1::Tenant> {
        let (by, ask, context) = self.receive(call).await?;
        let found = self.registrar.get_tenant(&by, &ask.tenant, &context).await.map_err(failed)?;
        Ok(Response::new(tenant::show(&found)))
    }

    async fn list_tenants(&self, call: Request<v1::ListTenantsRequest>) -> Answer<v1::ListTenantsResponse> {
        let (by, ask, context) = self.receive(call).await?;
        let ask = ListTenants { page_size: ask.page_size, page_token: ask.page_token };
        let page = self.registrar.list_tenants(&by, ask, &context).await.map_err(failed)?;
        let tenants = page.items.iter().map(tenant::show).collect();
        Ok(Response::new(v1::ListTenantsResponse { tenants, next_page_token: page.next }))
    }

    async fn update_tenant(&self, call: Request<v1::UpdateTenantRequest>) -> Answer<v1::Tenant> {
        let (by, ask, context) = self.receive(call).await?;
        let mut wrong = Wrong::default();
        let ask = tenant::update(ask, &mut wrong);
        wrong.finish().map_err(|r| refused(&r))?;
        let changed = self.registrar.update_tenant(&by, ask, &context).await.map_err(failed)?;
        Ok(Response::new(tenant::show(&changed)))
    }

    async fn suspend_tenant(&self, call: Request<v1::SuspendTenantRequest>) -> Answer<v1::Tenant> {
        let (by, ask, context) = self.receive(call).await?;
        let ask = SuspendTenant { tenant: ask.tenant, reason: ask.reason };
        let changed = self.registrar.suspend_tenant(&by, ask, &context).await.map_err(failed)?;
        Ok(Response::new(tenant::show(&changed)))
    }

    async fn resume_tenant(&self, call: Request<v1::ResumeTenantRequest>) -> Answer<v1::Tenant> {
        let (by, ask, context) = self.receive(call).await?;
        let changed = self.registrar.resume_tenant(&by, &ask.tenant, &context).await.map_err(failed)?;
        Ok(Response::new(tenant::show(&changed)))
    }

    async fn create_user(&self, call: Request<v1::CreateUserRequest>) -> Answer<v1::User> {
        self.make_user(call).await
    }

    async fn list_users(&self, call: Request<v1::ListUsersRequest>) -> Answer<v1::ListUsersResponse> {
        self.page_of_users(call).await
    }

    async fn set_user_password(&self, call: Request<v1::SetUserPasswordRequest>) -> Answer<v1::User> {
        self.change_password(call).await
    }

    async fn disable_user(&self, call: Request<v1::DisableUserRequest>) -> Answer<v1::User> {
        self.switch_off(call).await
    }

    async fn update_user(&self, call: Request<v1::UpdateUserRequest>) -> Answer<v1::User> {
        self.change_user(call).await
    }
}
