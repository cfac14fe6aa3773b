//! List of users. A caller of a tenant sees the users that it can manage.

use latchkey_core::error::{FieldViolation, ManagementError};
use latchkey_core::principal::Principal;
use latchkey_core::record::TenantRecord;
use latchkey_core::user::UserRecord;

use super::names::{environment, unknown};
use super::{OrderNames, encode_range, optional, order, range};
use crate::encoding::Encoder;
use crate::field_validator::FieldValidator;
use crate::page::{self, Page};
use crate::ports::{ListPart, ListRange, OrderValue, Position, TimeRange, UserFilter, UserOrder};
use crate::tokens::TokenIssuer;
use crate::users::reach;
use crate::{CallContext, Caller};

/// Users to list; the fields are those of `latchkey.v1.ListUsersRequest`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListUsers {
    /// Tenant by id or slug; empty for the caller's own.
    pub tenant: String,
    /// True for the users of all tenants, for operators.
    pub all_tenants: bool,
    /// Number of users on a page: 1 to 1,000, or 0 for 100.
    pub page_size: i32,
    /// Token from the previous page; empty for the first page.
    pub page_token: String,
    /// Part of the e-mail address; empty for any.
    pub email_contains: String,
    /// Role; empty for any.
    pub role: String,
    /// Environment that a user is confined to; empty for any.
    pub environment: String,
    /// True for disabled users, false for the others; `None` for all.
    pub disabled: Option<bool>,
    /// Creation.
    pub created: TimeRange,
    /// Order; empty for the newest first.
    pub order_by: String,
    /// Violations that were found when the request's message was read.
    pub violations: Vec<FieldViolation>,
}

const ORDERS: &[OrderNames<UserOrder>] =
    &[(&["created", "create_time"], UserOrder::Created), (&["email"], UserOrder::Email)];

/// Users that are read at a time for a caller that can manage only some of them.
const BATCH: u32 = 1_000;
/// Most batches that are read for one page. A page can therefore be short, and still have a next one.
const MAX_BATCHES: u32 = 20;

impl TokenIssuer {
    /// Lists users of a tenant, or of all tenants for operators.
    pub async fn list_users(
        &self,
        caller: &Caller,
        request: ListUsers,
        _call: &CallContext,
    ) -> Result<Page<UserRecord>, ManagementError> {
        let management = &self.parts.management;
        let tenant = management.listed_tenant(caller, &request.tenant, request.all_tenants).await?;
        let mut fields = FieldValidator::new("");
        fields.extend(&request.violations);
        range(&mut fields, "created", request.created);
        let filter = UserFilter {
            tenant: tenant.as_ref().map(|tenant| tenant.id),
            email: optional(&mut fields, "email_contains", &request.email_contains, 254),
            role: optional(&mut fields, "role", &request.role, 64),
            environment: optional(&mut fields, "environment", &request.environment, 64),
            disabled: request.disabled,
            created: request.created,
        };
        let (order, descending) = order(&mut fields, &request.order_by, ORDERS).unwrap_or_default();
        let list = list_of_users(&filter, order, descending);
        let limit = fields.collect(page::size(request.page_size)).unwrap_or_default();
        let after = fields.collect(management.position(&request.page_token, &list)).flatten();
        fields.finish()?;
        let first = after.is_none();
        let range = ListRange { order, descending, after, limit };
        let part = match (caller.principal(), &tenant) {
            (Some(own), Some(tenant)) => self.users_in_reach(own, tenant, &filter, range).await?,
            (_, _) => self.parts.store.users(&filter, &range).await?,
        };
        if first && part.items.is_empty() && part.next.is_none() {
            self.check_names(&request, tenant.as_ref()).await?;
        }
        Ok(management.page(part, &list)?)
    }

    /// Checks names of a request that selected no user.
    async fn check_names(
        &self,
        request: &ListUsers,
        tenant: Option<&TenantRecord>,
    ) -> Result<(), ManagementError> {
        let policies = self.parts.management.policies_of(tenant).await?;
        let mut fields = FieldValidator::new("");
        let roles = policies.iter().flat_map(|policy| policy.roles.keys()).map(|name| &**name);
        unknown(&mut fields, ("role", "role"), &request.role, roles);
        environment(&mut fields, &request.environment, &policies);
        Ok(fields.finish()?)
    }

    /// Returns the users of a part of a list that a caller of the tenant can manage.
    async fn users_in_reach(
        &self,
        own: &Principal,
        tenant: &TenantRecord,
        filter: &UserFilter,
        mut range: ListRange<UserOrder>,
    ) -> Result<ListPart<UserRecord>, ManagementError> {
        let policy = self.parts.management.policy_of(tenant)?;
        let wanted = usize::try_from(range.limit).unwrap_or(usize::MAX);
        range.limit = range.limit.max(BATCH);
        let mut found = Vec::new();
        for _ in 0..MAX_BATCHES {
            let part = self.parts.store.users(filter, &range).await?;
            found.extend(part.items.into_iter().filter(|user| reach::reaches(own, user, &policy)));
            range.after = part.next;
            if found.len() > wanted {
                found.truncate(wanted);
                range.after = found.last().map(|user| position(user, range.order));
            }
            if found.len() == wanted || range.after.is_none() {
                break;
            }
        }
        Ok(ListPart { items: found, next: range.after })
    }
}

fn position(user: &UserRecord, order: UserOrder) -> Position {
    let value = match order {
        UserOrder::Created => None,
        UserOrder::Email => Some(OrderValue::Text(user.email.clone())),
    };
    Position { value, id: user.id.0 }
}

/// Returns the encoded filter and order that a page token of users is bound to.
fn list_of_users(filter: &UserFilter, order: UserOrder, descending: bool) -> Encoder {
    let order = match order {
        UserOrder::Created => 1,
        UserOrder::Email => 2,
    };
    let text = |encoder: Encoder, text: &String| encoder.text(text);
    let encoder = Encoder::new("latchkey.list_users.v2")
        .optional(filter.tenant, |encoder, tenant| encoder.bytes(tenant.0.as_bytes()))
        .optional(filter.email.as_ref(), text)
        .optional(filter.role.as_ref(), text)
        .optional(filter.environment.as_ref(), text)
        .optional(filter.disabled, |encoder, disabled| encoder.number(disabled.into()));
    encode_range(encoder, filter.created).number(order).number(descending.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bytes_that_name_a_list_of_users_stay() {
        let all = list_of_users(&UserFilter::default(), UserOrder::Created, true).hex();
        assert_eq!(all, "e15c731ca0c04f11e7976efbb20471db17d866ea7ad4be935ccc23299f5e122b");
        let some = UserFilter {
            email: Some("ada".into()),
            role: Some("admin".into()),
            environment: Some("live".into()),
            disabled: Some(false),
            ..UserFilter::default()
        };
        assert_eq!(
            list_of_users(&some, UserOrder::Email, false).hex(),
            "56c0e972cc5a6c41925792c7b8d70fef8a3b3a50bd73dc44f7f89e18835c9d69"
        );
    }
}
