//! `latchkey.v1.ShadowService`: the report of calls that would be denied if every rule were enforced.

use latchkey_core::ports::Limiter;
use latchkey_proto::v1;
use latchkey_proto::v1::shadow_service_server::ShadowService;
use tonic::{Request, Response, Status};

use super::ManagementApi;
use crate::convert::{Violations, shadow};
use crate::status::{error_to_status, request_error_to_status};

#[tonic::async_trait]
impl<L: Limiter + 'static> ShadowService for ManagementApi<L> {
    async fn get_shadow_report(
        &self,
        call: Request<v1::GetShadowReportRequest>,
    ) -> Result<Response<v1::GetShadowReportResponse>, Status> {
        let (caller, request, _) = self.authenticate(call).await?;
        let mut violations = Violations::default();
        let request = shadow::from_proto(request, &mut violations);
        violations.finish().map_err(|r| request_error_to_status(&r))?;
        let page = self.usage.shadow_report(&caller, request).await.map_err(error_to_status)?;
        let lines = page.items.into_iter().map(shadow::line_to_proto).collect();
        Ok(Response::new(v1::GetShadowReportResponse { lines, next_page_token: page.next }))
    }
}
