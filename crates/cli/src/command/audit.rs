//! `latchkey audit`.

use latchkey_proto::v1::{self, AuditEvent};

use super::list::{print_next_page, read_page};
use crate::args::{AuditCommand, EventArgs, Globals};
use crate::call::Server;
use crate::exit::CliError;
use crate::output::{line, show};

/// Events that one call of an export requests.
const PAGE: i32 = 1_000;

pub(super) async fn run(globals: &Globals, command: AuditCommand) -> Result<(), CliError> {
    match command {
        AuditCommand::List { which, page } => {
            let (mut service, ask) = (Server::of(globals).await?.audit(), events(which));
            let (events, next_page_token) = read_page(page, async |page_size, page_token| {
                let ask = v1::ListAuditEventsRequest { page_size, page_token, ..ask.clone() };
                let list = service.list_audit_events(ask).await?.into_inner();
                Ok((list.events, list.next_page_token))
            })
            .await?;
            let list = v1::ListAuditEventsResponse { events, next_page_token };
            show(globals.output, &list)?;
            print_next_page(&list.next_page_token);
            Ok(())
        }
        AuditCommand::Verify { anchors } => {
            // The verification of a large log takes long.
            let server = Server::with_long_timeout(globals).await?;
            let ask = v1::VerifyAuditLogRequest { anchors };
            let state = server.audit().verify_audit_log(ask).await?.into_inner();
            show(globals.output, &state)?;
            if state.intact {
                return Ok(());
            }
            Err(CliError::Local(format!("the audit log is not intact: {}", state.problem)))
        }
        AuditCommand::Export(which) => export(globals, which).await,
    }
}

/// Writes the events page by page, so that a long log needs no more memory than a short one.
async fn export(globals: &Globals, which: EventArgs) -> Result<(), CliError> {
    let mut audit = Server::of(globals).await?.audit();
    let mut ask = v1::ListAuditEventsRequest { page_size: PAGE, ..events(which) };
    loop {
        let page = audit.list_audit_events(ask.clone()).await?.into_inner();
        page.events.iter().try_for_each(|event: &AuditEvent| line(event))?;
        if page.next_page_token.is_empty() {
            return Ok(());
        }
        ask.page_token = page.next_page_token;
    }
}

fn events(which: EventArgs) -> v1::ListAuditEventsRequest {
    let EventArgs { tenant, since, until, actor, action, target } = which;
    let (action, action_prefix) = match action.strip_suffix('*') {
        Some(prefix) => (String::new(), prefix.to_owned()),
        None => (action, String::new()),
    };
    v1::ListAuditEventsRequest {
        tenant,
        start_time: since,
        end_time: until,
        actor,
        action,
        action_prefix,
        target,
        ..v1::ListAuditEventsRequest::default()
    }
}
