//! `latchkey usage`.

use latchkey_proto::v1;

use crate::args::{Globals, UsageArgs, UsageTop};
use crate::call::Server;
use crate::exit::CliError;
use crate::output::show;

pub(super) async fn run(globals: &Globals, args: UsageArgs) -> Result<(), CliError> {
    let group = match args.top {
        None if args.minutes.is_some() => v1::UsageGroup::Minute,
        None => v1::UsageGroup::Hour,
        Some(UsageTop::Keys) => v1::UsageGroup::Key,
        Some(UsageTop::Tenants) => v1::UsageGroup::Tenant,
        Some(UsageTop::Profiles) => v1::UsageGroup::Profile,
    };
    let ask = v1::GetUsageReportRequest {
        tenant: args.tenant,
        profile: args.profile,
        start_time: args.since,
        end_time: args.until,
        group_by: group.into(),
        limit: args.limit,
        recent_minutes: args.minutes.unwrap_or_default(),
    };
    show(globals.output, Server::of(globals).await?.usage().get_usage_report(ask).await?.get_ref())
}
