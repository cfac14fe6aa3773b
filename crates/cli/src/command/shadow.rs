//! `latchkey shadow`.

use latchkey_proto::v1;

use super::list::print_next_page;
use crate::args::{Globals, ReportArgs, ShadowCommand};
use crate::call::Server;
use crate::exit::CliError;
use crate::output::show;

pub(super) async fn run(globals: &Globals, command: ShadowCommand) -> Result<(), CliError> {
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
    print_next_page(&report.next_page_token);
    Ok(())
}
