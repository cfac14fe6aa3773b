//! Report of calls over many keys: of a tenant, of a profile or of all, by the hour or the minute, or by key, tenant or
//! profile.

use latchkey_core::error::{ManagementError, RequestError};
use latchkey_core::id::TenantId;
use latchkey_core::ports::usage::{CallCounts, Hour, HourRange, Minute};
use latchkey_core::time::Timestamp;

use super::field_validator::FieldValidator;
use super::grants::Grants;
use super::usage::UsageReader;
use super::{CallContext, Caller};
use crate::ports::KeyFilter;
use crate::ports::usage::{UsageFilter, UsageGroup, UsageLine};

/// Report to make; the fields are those of `latchkey.v1.GetUsageReportRequest`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GetUsageReport {
    /// Tenant by id or slug; empty for all, or for the caller's own.
    pub tenant: String,
    /// Profile; empty for all.
    pub profile: String,
    /// Time in the first hour; `None` for the oldest.
    pub from: Option<Timestamp>,
    /// End: only hours that begin before this time; `None` for now.
    pub until: Option<Timestamp>,
    /// Number of minutes to count in place of hours, the present one included: 1 to 60. 0 for hours; for lines by the minute,
    /// for all minutes that are kept.
    pub minutes: i32,
    /// Group of the lines; `None` for no lines.
    pub group: Option<UsageGroup>,
    /// Most lines of keys, tenants or profiles: 1 to 1,000, or 0 for 10.
    pub limit: i32,
}

/// Report of calls.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UsageReport {
    /// Calls of all keys.
    pub total: CallCounts,
    /// Hours or minutes, oldest first; or groups, the most calls first.
    pub lines: Vec<UsageLine>,
}

/// Lines of a request that names no limit.
const DEFAULT_LIMIT: u32 = 10;
/// Most lines.
const MAX_LIMIT: u32 = 1_000;

impl UsageReader {
    /// Returns the calls that all replicas have stored, and those of this replica up to now.
    pub async fn usage_report(
        &self,
        caller: &Caller,
        request: GetUsageReport,
        _call: &CallContext,
    ) -> Result<UsageReport, ManagementError> {
        self.management().manages_keys(caller)?;
        let mut fields = FieldValidator::new("");
        if request.from.zip(request.until).is_some_and(|(from, until)| until <= from) {
            fields.reject("end_time", "must be later than start_time");
        }
        let limit = limit(request.limit, &mut fields);
        let minutes = self.minutes_of_report(&request, &mut fields);
        fields.text("profile", &request.profile, 0..=64);
        fields.finish()?;
        let (tenant, environments) = self.scope_of_report(caller, &request.tenant).await?;
        let last = request.until.map(|until| Hour::of(Timestamp(until.0.saturating_sub(1))));
        let which = UsageFilter {
            key: None,
            minutes,
            tenant,
            profile: (!request.profile.is_empty()).then(|| request.profile.clone()),
            environments,
            span: HourRange { from: request.from.map(Hour::of), last },
        };
        self.flush().await?;
        let by_time = if minutes.is_some() { UsageGroup::Minute } else { UsageGroup::Hour };
        let times = self.store().report(&which, by_time, 0).await?;
        let mut total = CallCounts::default();
        for line in &times {
            total.add(&line.counts);
        }
        // A deleted profile has the usage of its time. A caller of a tenant learns of its own profile alone.
        let tenant = which.tenant.filter(|_| caller.principal().is_some());
        let of_profile = UsageFilter { tenant, profile: which.profile.clone(), ..UsageFilter::default() };
        if times.is_empty() && self.store().report(&of_profile, UsageGroup::Hour, 1).await?.is_empty() {
            self.management().check_profile(caller, &request.profile).await?;
        }
        let lines = match request.group {
            None => Vec::new(),
            Some(group) if group == by_time => times,
            Some(group) => self.store().report(&which, group, limit).await?,
        };
        Ok(UsageReport { total, lines })
    }

    /// Returns the first minute of a report; `None` for a report of hours.
    fn minutes_of_report(&self, request: &GetUsageReport, fields: &mut FieldValidator<'_>) -> Option<Minute> {
        let all = i32::try_from(Minute::KEPT).unwrap_or(i32::MAX);
        let number = match request.group {
            Some(UsageGroup::Minute) if request.minutes == 0 => all,
            Some(UsageGroup::Hour) if request.minutes != 0 => {
                fields.reject("group_by", "can't be HOUR together with recent_minutes: use MINUTE");
                0
            }
            _ => request.minutes,
        };
        let first = self.first_minute(number, fields);
        for (field, time) in [("start_time", request.from), ("end_time", request.until)] {
            if number != 0 && time.is_some() {
                fields.reject(field, "must be unset for a report of minutes, which end now");
            }
        }
        first
    }

    /// Returns the tenant of a report, `None` for all tenants, which only operators see; and the environments that the
    /// caller is confined to.
    async fn scope_of_report(
        &self,
        caller: &Caller,
        name: &str,
    ) -> Result<(Option<TenantId>, Vec<String>), ManagementError> {
        let Some(own) = caller.principal() else {
            let tenant = match name {
                "" => None,
                // A tenant that was deleted has usage until its hours are deleted: its identifier names it.
                id if id.parse::<TenantId>().is_ok() => id.parse().ok(),
                slug => Some(self.management().any_tenant(slug).await?.id),
            };
            return Ok((tenant, Vec::new()));
        };
        let tenant = self.management().managed_tenant(caller, name).await?;
        let policy = self.management().policy_of(&tenant)?;
        let grants = Grants::of(own, &policy);
        let reached = grants.confine(KeyFilter::default()).filter(|reached| reached.bindings.is_empty());
        let Some(reached) = reached else {
            let text = "the caller is bound to a part of the tenant, and a report covers all of it; read the usage of \
                        each key instead";
            return Err(RequestError::PermissionDenied(text.into()).into());
        };
        let environments = if grants.is_confined() { reached.environments } else { Vec::new() };
        Ok((Some(tenant.id), environments))
    }
}

fn limit(requested: i32, fields: &mut FieldValidator<'_>) -> u32 {
    match u32::try_from(requested) {
        Ok(0) => DEFAULT_LIMIT,
        Ok(limit) if limit <= MAX_LIMIT => limit,
        Ok(_) | Err(_) => {
            fields.reject(
                "limit",
                format!("must be 1 to {MAX_LIMIT}, or 0 for {DEFAULT_LIMIT}, and is {requested}"),
            );
            DEFAULT_LIMIT
        }
    }
}
