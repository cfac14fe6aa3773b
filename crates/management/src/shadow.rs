//! Who would have been denied, and why: what is told of calls that passed because something is in shadow. For
//! operators. It is read from the ledger, which every replica adds to within seconds.

use latchkey_core::error::{ManagementError, RequestError};
use latchkey_core::ports::usage::Hour;
use latchkey_core::time::Timestamp;

use super::usage::UsageReader;
use super::{Caller, page};
use crate::ports::shadow::{ShadowFilter, ShadowTotal};

/// Which lines; the fields are those of `latchkey.v1.GetShadowReportRequest`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GetShadowReport {
    /// One profile's; empty: every one's.
    pub profile: String,
    /// One tenant's, by id or slug; empty: every one's, and those of nobody that was recognised.
    pub tenant: String,
    /// The hour of this moment and later ones.
    pub from: Option<Timestamp>,
    /// 0 for 100, at most 1,000.
    pub page_size: i32,
    /// From the page before.
    pub page_token: String,
}

impl UsageReader {
    /// Lines, the most frequent first.
    pub async fn shadow_report(
        &self,
        caller: &Caller,
        request: GetShadowReport,
    ) -> Result<page::Page<ShadowTotal>, ManagementError> {
        caller.require_operator()?;
        let size = page::size(request.page_size)?;
        // Lines are sums that move while calls come in: a page begins behind so many, and not behind one of them.
        let offset = page::offset(&request.page_token)?;
        if request.profile.chars().any(char::is_control) {
            return Err(RequestError::NotFound("profile").into());
        }
        let tenant = match request.tenant.as_str() {
            "" => None,
            name => Some(self.management().any_tenant(name).await?.id.0),
        };
        let which = ShadowFilter {
            profile: (!request.profile.is_empty()).then(|| request.profile.into()),
            tenant,
            from: request.from.map(Hour::of),
            limit: size + 1,
            offset,
        };
        let mut items = self.store().shadows(&which).await?;
        let size = usize::try_from(size).unwrap_or(usize::MAX);
        let more = items.len() > size;
        items.truncate(size);
        let next = if more { page::offset_token(offset + items.len() as u64) } else { String::new() };
        Ok(page::Page { items, next })
    }
}
