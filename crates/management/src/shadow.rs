//! Who would have been denied, and why: what is told of calls that passed because something is in shadow. For
//! operators. It is read from the ledger, which every replica adds to within seconds.

use latchkey_core::ports::usage::Hour;
use latchkey_core::time::Timestamp;
use latchkey_core::trouble::{Failure, Refusal};

use super::usage::UsageDesk;
use super::{Caller, page};
use crate::ports::shadow::{ShadowFilter, ShadowSum};

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

impl UsageDesk {
    /// Lines, the most frequent first.
    pub async fn shadow_report(
        &self,
        by: &Caller,
        ask: GetShadowReport,
    ) -> Result<page::Page<ShadowSum>, Failure> {
        by.operator()?;
        let size = page::size(ask.page_size)?;
        // Lines are sums that move while calls come in: a page begins behind so many, and not behind one of them.
        let offset = page::offset(&ask.page_token)?;
        if ask.profile.chars().any(char::is_control) {
            return Err(Refusal::NotFound("profile").into());
        }
        let tenant = match ask.tenant.as_str() {
            "" => None,
            name => Some(self.registrar().any_tenant(name).await?.id.0),
        };
        let which = ShadowFilter {
            profile: (!ask.profile.is_empty()).then(|| ask.profile.into()),
            tenant,
            from: ask.from.map(Hour::of),
            limit: size + 1,
            offset,
        };
        let mut items = self.ledger().shadows(&which).await?;
        let size = usize::try_from(size).unwrap_or(usize::MAX);
        let more = items.len() > size;
        items.truncate(size);
        let next = if more { page::offset_token(offset + items.len() as u64) } else { String::new() };
        Ok(page::Page { items, next })
    }
}
