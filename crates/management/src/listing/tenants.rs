//! List of tenants.

use latchkey_core::error::{FieldViolation, ManagementError};
use latchkey_core::operator::{self, OperatorRole};
use latchkey_core::record::TenantRecord;

use super::names::unknown;
use super::{OrderNames, encode_range, optional, order, range};
use crate::encoding::Encoder;
use crate::field_validator::FieldValidator;
use crate::page::{self, Page};
use crate::ports::{ListRange, TenantFilter, TenantOrder, TimeRange};
use crate::{CallContext, Caller, ManagementService};

/// Tenants to list; the fields are those of `latchkey.v1.ListTenantsRequest`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListTenants {
    /// Number of tenants on a page: 1 to 1,000, or 0 for 100.
    pub page_size: i32,
    /// Token from the previous page; empty for the first page.
    pub page_token: String,
    /// Part of the slug or the display name; empty for any.
    pub name_contains: String,
    /// True for suspended tenants, false for the others; `None` for all.
    pub suspended: Option<bool>,
    /// Profile; empty for any.
    pub profile: String,
    /// Plan; empty for any.
    pub plan: String,
    /// Creation.
    pub created: TimeRange,
    /// Order; empty for the newest first.
    pub order_by: String,
    /// Violations that were found when the request's message was read.
    pub violations: Vec<FieldViolation>,
}

const ORDERS: &[OrderNames<TenantOrder>] = &[
    (&["created", "create_time"], TenantOrder::Created),
    (&["slug"], TenantOrder::Slug),
    (&["name", "display_name"], TenantOrder::Name),
];

impl ManagementService {
    /// Lists tenants without the operators' own tenant.
    pub async fn list_tenants(
        &self,
        caller: &Caller,
        request: ListTenants,
        _call: &CallContext,
    ) -> Result<Page<TenantRecord>, ManagementError> {
        caller.require_role(OperatorRole::Read)?;
        let mut fields = FieldValidator::new("");
        fields.extend(&request.violations);
        range(&mut fields, "created", request.created);
        let filter = TenantFilter {
            name: optional(&mut fields, "name_contains", &request.name_contains, 128),
            suspended: request.suspended,
            profile: optional(&mut fields, "profile", &request.profile, 64),
            plan: optional(&mut fields, "plan", &request.plan, 64),
            created: request.created,
            except: Some(operator::SLUG),
        };
        let (order, descending) = order(&mut fields, &request.order_by, ORDERS).unwrap_or_default();
        let list = list_of_tenants(&filter, order, descending);
        let limit = fields.collect(page::size(request.page_size)).unwrap_or_default();
        let after = fields.collect(self.position(&request.page_token, &list)).flatten();
        fields.finish()?;
        let first = after.is_none();
        let range = ListRange { order, descending, after, limit };
        let part = self.parts.store.tenants(&filter, &range).await?;
        // Names of tenants that other conditions leave out exist, or existed.
        let names_alone =
            TenantFilter { name: None, suspended: None, created: TimeRange::default(), ..filter.clone() };
        let none = first && part.items.is_empty() && part.next.is_none();
        if none
            && self
                .parts
                .store
                .tenants(&names_alone, &ListRange { limit: 1, ..range })
                .await?
                .items
                .is_empty()
        {
            self.check_profile(caller, &request.profile).await?;
            let mut policies = self.policies_of(None).await?;
            policies.retain(|policy| request.profile.is_empty() || *policy.name == *request.profile);
            let plans = policies.iter().flat_map(|policy| policy.plans.keys()).map(|name| &**name);
            let mut fields = FieldValidator::new("");
            unknown(&mut fields, ("plan", "plan"), &request.plan, plans);
            fields.finish()?;
        }
        Ok(self.page(part, &list)?)
    }
}

/// Returns the encoded filter and order that a page token of tenants is bound to.
fn list_of_tenants(filter: &TenantFilter, order: TenantOrder, descending: bool) -> Encoder {
    let order = match order {
        TenantOrder::Created => 1,
        TenantOrder::Slug => 2,
        TenantOrder::Name => 3,
    };
    let text = |encoder: Encoder, text: &String| encoder.text(text);
    let encoder = Encoder::new("latchkey.list_tenants.v2")
        .optional(filter.name.as_ref(), text)
        .optional(filter.suspended, |encoder, suspended| encoder.number(suspended.into()))
        .optional(filter.profile.as_ref(), text)
        .optional(filter.plan.as_ref(), text);
    encode_range(encoder, filter.created).number(order).number(descending.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bytes_that_name_a_list_of_tenants_stay() {
        let all = list_of_tenants(&TenantFilter::default(), TenantOrder::Created, true).hex();
        assert_eq!(all, "de27a2003bcb5f2b646f30ecbdb2595d1b523894066b505e04dfe5bdc4d95c56");
        let some = TenantFilter {
            name: Some("acme".into()),
            suspended: Some(true),
            profile: Some("paykore".into()),
            plan: Some("starter".into()),
            ..TenantFilter::default()
        };
        assert_eq!(
            list_of_tenants(&some, TenantOrder::Name, false).hex(),
            "0c60dc34437516d2422c49e788afee31622c3b29ea4e4e86418aea1fe6de3464"
        );
    }
}
