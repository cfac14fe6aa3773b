//! `latchkey shadow`.

use latchkey_proto::v1;

use super::tenant::more;
use crate::args::{Globals, ReportArgs, ShadowCommand};
use crate::call::Server;
use crate::exit::Failure;
use crate::output::show;

pub(super) async fn run(globals: &Globals, command: ShadowCommand) -> Result<(), Failure> {
    let ShadowCommand::Report(ReportArgs { profile, tenant, since, page }) = command;
    let ask = v1::GetShadowReportRequest {
        profile,
        tenant,
        start_time: since,
        page_size: page.page_size,
        page_token: page.page_token,
    };
    let report = Server::of(globals).await?.shadow().get_shadow_report(ask).await?.into_inner();
    show(globals.output, &report)?;
    more(&report.next_page_token);
    Ok(())
}
