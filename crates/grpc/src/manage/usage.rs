//! `latchkey.v1.UsageService`.

use latchkey_core::ports::Limiter;
use latchkey_management::GetUsageReport;
use latchkey_management::ports::usage::{UsageGroup, UsageLine};
use latchkey_proto::v1;
use latchkey_proto::v1::usage_service_server::UsageService;
use tonic::{Request, Response, Status};

use super::ManagementApi;
use crate::convert::usage::denied;
use crate::convert::{Violations, time};
use crate::status::{error_to_status, request_error_to_status};

#[tonic::async_trait]
impl<L: Limiter + 'static> UsageService for ManagementApi<L> {
    async fn get_usage_report(
        &self,
        call: Request<v1::GetUsageReportRequest>,
    ) -> Result<Response<v1::GetUsageReportResponse>, Status> {
        let (caller, request, context) = self.authenticate(call).await?;
        let mut violations = Violations::default();
        let request = GetUsageReport {
            from: time::timestamp_from_proto("start_time", request.start_time, &mut violations),
            until: time::timestamp_from_proto("end_time", request.end_time, &mut violations),
            minutes: request.recent_minutes,
            group: group(request.group_by, &mut violations),
            tenant: request.tenant,
            profile: request.profile,
            limit: request.limit,
        };
        violations.finish().map_err(|r| request_error_to_status(&r))?;
        let report = self.usage.usage_report(&caller, request, &context).await.map_err(error_to_status)?;
        Ok(Response::new(v1::GetUsageReportResponse {
            allowed: report.total.allowed,
            denied: denied(&report.total),
            lines: report.lines.iter().map(line).collect(),
        }))
    }
}

fn group(group: i32, violations: &mut Violations) -> Option<UsageGroup> {
    match v1::UsageGroup::try_from(group) {
        Ok(v1::UsageGroup::Unspecified) => None,
        Ok(v1::UsageGroup::Hour) => Some(UsageGroup::Hour),
        Ok(v1::UsageGroup::Minute) => Some(UsageGroup::Minute),
        Ok(v1::UsageGroup::Key) => Some(UsageGroup::Key),
        Ok(v1::UsageGroup::Tenant) => Some(UsageGroup::Tenant),
        Ok(v1::UsageGroup::Profile) => Some(UsageGroup::Profile),
        Err(_) => {
            violations.add(
                "group_by",
                format!("{group} is not a group of usage: 1 is HOUR, 2 KEY, 3 TENANT, 4 PROFILE, 5 MINUTE"),
            );
            None
        }
    }
}

fn line(line: &UsageLine) -> v1::UsageLine {
    v1::UsageLine {
        hour: line.hour.map(|hour| time::timestamp_to_proto(hour.start())),
        key_id: line.key.map(|id| id.to_string()).unwrap_or_default(),
        key_name: line.key_name.clone(),
        tenant_id: line.tenant.map(|id| id.to_string()).unwrap_or_default(),
        tenant: line.tenant_slug.clone(),
        profile: line.profile.clone(),
        allowed: line.counts.allowed,
        denied: denied(&line.counts),
        calls: line.counts.total(),
        minute: line.minute.map(|minute| time::timestamp_to_proto(minute.start())),
    }
}
