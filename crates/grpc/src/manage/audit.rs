//! `latchkey.v1.AuditService`.

use latchkey_core::ports::Limiter;
use latchkey_proto::v1;
use latchkey_proto::v1::audit_service_server::AuditService;
use tonic::{Request, Response, Status};

use super::ManagementApi;
use crate::convert::{Violations, audit};
use crate::status::{error_to_status, request_error_to_status};

#[tonic::async_trait]
impl<L: Limiter + 'static> AuditService for ManagementApi<L> {
    async fn list_audit_events(
        &self,
        call: Request<v1::ListAuditEventsRequest>,
    ) -> Result<Response<v1::ListAuditEventsResponse>, Status> {
        let (caller, request, _) = self.authenticate(call).await?;
        let mut violations = Violations::default();
        let mut request = audit::list(request, &mut violations);
        request.violations = violations.into_violations();
        let page = self.auditor.list(&caller, request).await.map_err(error_to_status)?;
        let events = page.items.into_iter().map(audit::event).collect();
        Ok(Response::new(v1::ListAuditEventsResponse { events, next_page_token: page.next }))
    }

    async fn verify_audit_log(
        &self,
        call: Request<v1::VerifyAuditLogRequest>,
    ) -> Result<Response<v1::VerifyAuditLogResponse>, Status> {
        let (caller, request, _) = self.authenticate(call).await?;
        let mut violations = Violations::default();
        let anchors = audit::anchors(request, &mut violations);
        violations.finish().map_err(|r| request_error_to_status(&r))?;
        let report = self.auditor.verify(&caller, anchors).await.map_err(error_to_status)?;
        Ok(Response::new(audit::report(&report)))
    }
}
