//! `latchkey.v1.ShadowService`: who would have been denied, were everything enforced.

use latchkey_core::ports::Limiter;
use latchkey_proto::v1;
use latchkey_proto::v1::shadow_service_server::ShadowService;
use tonic::{Request, Response, Status};

use super::Desk;
use crate::convert::{Wrong, shadow};
use crate::fate::{failed, refused};

#[tonic::async_trait]
impl<L: Limiter + 'static> ShadowService for Desk<L> {
    async fn get_shadow_report(
        &self,
        call: Request<v1::GetShadowReportRequest>,
    ) -> Result<Response<v1::GetShadowReportResponse>, Status> {
        let (by, ask, _) = self.receive(call).await?;
        let mut wrong = Wrong::default();
        let ask = shadow::ask(ask, &mut wrong);
        wrong.finish().map_err(|r| refused(&r))?;
        let page = self.usage.shadow_report(&by, ask).await.map_err(failed)?;
        let lines = page.items.into_iter().map(shadow::line).collect();
        Ok(Response::new(v1::GetShadowReportResponse { lines, next_page_token: page.next }))
    }
}
