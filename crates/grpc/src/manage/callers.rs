//! `latchkey.v1.CallerService`: description of the caller to itself.

use latchkey_core::ports::Limiter;
use latchkey_management::CallerIdentity;
use latchkey_proto::v1;
use latchkey_proto::v1::caller_service_server::CallerService;
use tonic::{Request, Response, Status};

use super::ManagementApi;
use crate::convert::time::timestamp_to_proto;
use crate::status::request_error_to_status;

#[tonic::async_trait]
impl<L: Limiter + 'static> CallerService for ManagementApi<L> {
    async fn who_am_i(
        &self,
        call: Request<v1::WhoAmIRequest>,
    ) -> Result<Response<v1::WhoAmIResponse>, Status> {
        let (caller, _, _) = self.authenticate(call).await?;
        let identity = self.management.identity(&caller).map_err(|error| request_error_to_status(&error))?;
        Ok(Response::new(to_proto(identity)))
    }
}

fn to_proto(identity: CallerIdentity) -> v1::WhoAmIResponse {
    v1::WhoAmIResponse {
        subject_type: identity.subject_type.to_owned(),
        subject_id: identity.subject_id,
        name: identity.name,
        role: identity.role,
        operator: identity.operator,
        tenant_id: identity.tenant.as_ref().map(|(id, _)| id.to_string()).unwrap_or_default(),
        tenant_slug: identity.tenant.map(|(_, slug)| slug).unwrap_or_default(),
        scopes: identity.scopes,
        environment: identity.environment,
        bindings: identity.bindings.into_iter().collect(),
        expire_time: identity.expires.map(timestamp_to_proto),
        allowed_networks: identity.networks,
    }
}
