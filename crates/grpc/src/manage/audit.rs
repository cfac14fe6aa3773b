//! `latchkey.v1.AuditService`.

use latchkey_core::ports::Limiter;
use latchkey_proto::v1;
use latchkey_proto::v1::audit_service_server::AuditService;
use tonic::{Request, Response, Status};

use super::Desk;
use crate::convert::{Wrong, audit};
use crate::fate::{failed, refused};

#[tonic::async_trait]
impl<L: Limiter + 'static> AuditService for Desk<L> {
    async fn list_audit_events(
        &self,
        call: Request<v1::ListAuditEventsRequest>,
    ) -> Result<Response<v1::ListAuditEventsResponse>, Status> {
        let (by, ask, _) = self.receive(call).await?;
        let mut wrong = Wrong::default();
        let ask = audit::list(ask, &mut wrong);
        wrong.finish().map_err(|r| refused(&r))?;
        let page = self.auditor.list(&by, ask).await.map_err(failed)?;
        let events = page.items.into_iter().map(audit::event).collect();
        Ok(Response::new(v1::ListAuditEventsResponse { events, next_page_token: page.next }))
    }

    async fn verify_audit_log(
        &self,
        call: Request<v1::VerifyAuditLogRequest>,
    ) -> Result<Response<v1::VerifyAuditLogResponse>, Status> {
        let (by, ask, _) = self.receive(call).await?;
        let mut wrong = Wrong::default();
        let anchors = audit::anchors(ask, &mut wrong);
        wrong.finish().map_err(|r| refused(&r))?;
        let state = self.auditor.verify(&by, anchors).await.map_err(failed)?;
        Ok(Response::new(audit::state(&state)))
    }
}
