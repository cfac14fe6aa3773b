//! Report for operators of calls that were allowed because of shadow mode, with the reason why they would have been
//! denied. It is read from the store, to which every replica adds within seconds.

use latchkey_core::error::ManagementError;
use latchkey_core::operator::OperatorRole;
use latchkey_core::ports::usage::Hour;
use latchkey_core::time::Timestamp;

use super::missing::ObjectType;
use super::usage::UsageReader;
use super::{Caller, page};
use crate::ports::shadow::{ShadowFilter, ShadowTotal};

/// Filter of a shadow report; the fields are those of `latchkey.v1.GetShadowReportRequest`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GetShadowReport {
    /// Profile; empty for all.
    pub profile: String,
    /// Tenant by id or slug; empty for all, including calls without a known tenant.
    pub tenant: String,
    /// Time in the first hour of the report.
    pub from: Option<Timestamp>,
    /// Number of lines on a page: 1 to 1,000, or 0 for 100.
    pub page_size: i32,
    /// Token from the previous page; empty for the first page.
    pub page_token: String,
}

impl UsageReader {
    /// Returns a page of lines, the most frequent first.
    pub async fn shadow_report(
        &self,
        caller: &Caller,
        request: GetShadowReport,
    ) -> Result<page::Page<ShadowTotal>, ManagementError> {
        caller.require_role(OperatorRole::Read)?;
        let size = page::size(request.page_size)?;
        // Lines are sums that change while calls arrive, so a page starts at an offset and not after a line.
        let offset = page::offset(&request.page_token)?;
        if request.profile.chars().any(char::is_control) {
            return Err(self.management().not_found(ObjectType::Profile, &request.profile).into());
        }
        let tenant = match request.tenant.as_str() {
            "" => None,
            name => Some(self.management().any_tenant(name).await?.id.0),
        };
        let which = ShadowFilter {
            profile: (!request.profile.is_empty()).then(|| request.profile.as_str().into()),
            tenant,
            from: request.from.map(Hour::of),
            limit: size + 1,
            offset,
        };
        let mut items = self.store().shadows(&which).await?;
        // A deleted profile has the denials of its time, in whatever period and of whatever tenant that was.
        let of_profile = ShadowFilter { tenant: None, from: None, limit: 1, ..which.clone() };
        if items.is_empty() && offset == 0 && self.store().shadows(&of_profile).await?.is_empty() {
            self.management().check_profile(caller, &request.profile).await?;
        }
        let size = usize::try_from(size).unwrap_or(usize::MAX);
        let more = items.len() > size;
        items.truncate(size);
        let next = if more { page::offset_token(offset + items.len() as u64) } else { String::new() };
        Ok(page::Page { items, next })
    }
}
