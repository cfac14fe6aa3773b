//! List of keys.

use std::collections::BTreeMap;
use std::sync::Arc;

use latchkey_core::error::{FieldViolation, ManagementError, RequestError};
use latchkey_core::policy::Policy;
use latchkey_core::record::{KeyRecord, KeyState, TenantRecord};

use super::names::{KeyNames, check_key_names, unknown};
use super::{OrderNames, encode_event, encode_range, optional, order, range};
use crate::encoding::Encoder;
use crate::field_validator::FieldValidator;
use crate::grants::Grants;
use crate::page::{self, Page};
use crate::ports::{EventFilter, KeyFilter, KeyOrder, ListPart, ListRange, TimeRange};
use crate::{CallContext, Caller, ManagementService};

/// Keys to list; the fields are those of `latchkey.v1.ListKeysRequest`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListKeys {
    /// Tenant by id or slug; empty for the caller's own.
    pub tenant: String,
    /// True for the keys of all tenants, for operators.
    pub all_tenants: bool,
    /// Number of keys on a page: 1 to 1,000, or 0 for 100.
    pub page_size: i32,
    /// Token from the previous page; empty for the first page.
    pub page_token: String,
    /// Kind; empty for any.
    pub kind: String,
    /// Environment; empty for any.
    pub environment: String,
    /// States; empty for any.
    pub states: Vec<KeyState>,
    /// Bindings that a key must have; it can have others as well.
    pub bindings: BTreeMap<String, String>,
    /// Part of the name; empty for any.
    pub name_contains: String,
    /// Last four characters of the value; empty for any.
    pub hint: String,
    /// Subject that created the keys; empty for any.
    pub created_by: String,
    /// Scopes that a key must have; it can have others as well.
    pub scopes: Vec<String>,
    /// Creation.
    pub created: TimeRange,
    /// Last use.
    pub last_used: EventFilter,
    /// Expiry.
    pub expires: EventFilter,
    /// Order; empty for the newest first.
    pub order_by: String,
    /// Violations that were found when the request's message was read.
    pub violations: Vec<FieldViolation>,
}

const ORDERS: &[OrderNames<KeyOrder>] = &[
    (&["created", "create_time"], KeyOrder::Created),
    (&["name"], KeyOrder::Name),
    (&["last_used", "last_use_time"], KeyOrder::LastUsed),
    (&["expires", "expire_time"], KeyOrder::Expires),
];

/// Number of characters of a hint.
const HINT: usize = 4;
/// Most scopes that a filter can have.
const MAX_SCOPES: usize = 16;

impl ManagementService {
    /// Lists keys of a tenant, or of all tenants for operators.
    pub async fn list_keys(
        &self,
        caller: &Caller,
        request: ListKeys,
        _call: &CallContext,
    ) -> Result<Page<KeyRecord>, ManagementError> {
        let tenant = self.listed_tenant(caller, &request.tenant, request.all_tenants).await?;
        let mut fields = FieldValidator::new("");
        fields.extend(&request.violations);
        let filter = self.key_filter(&request, tenant.as_ref(), &mut fields);
        let order = order(&mut fields, &request.order_by, ORDERS);
        let (order, descending) = order.unwrap_or_default();
        let filter = self.with_names_of_scopes(filter, tenant.as_ref()).await?;
        let list = list_of_keys(&filter, order, descending);
        let limit = fields.collect(page::size(request.page_size)).unwrap_or_default();
        let after = fields.collect(self.position(&request.page_token, &list)).flatten();
        fields.finish()?;
        let first = after.is_none();
        let range = ListRange { order, descending, after, limit };
        let part = match self.confined(caller, tenant.as_ref(), filter)? {
            Some(filter) => self.parts.store.keys(&filter, &range).await?,
            None => ListPart { items: Vec::new(), next: None },
        };
        if first
            && part.items.is_empty()
            && part.next.is_none()
            && let Ok(policies) = self.policies_of(tenant.as_ref()).await
        {
            let mut fields = FieldValidator::new("");
            check_names(&request, &policies, &mut fields);
            let tenant = tenant.as_ref();
            self.check_binding_names(caller, tenant, &request.bindings, &policies, &mut fields).await?;
            fields.finish()?;
        }
        Ok(self.page(part, &list)?)
    }

    /// Restricts a filter to the keys that the caller manages. Returns `None` if it then matches no key.
    pub(super) fn confined(
        &self,
        caller: &Caller,
        tenant: Option<&TenantRecord>,
        filter: KeyFilter,
    ) -> Result<Option<KeyFilter>, RequestError> {
        match tenant.and_then(|tenant| Some((tenant, caller.bounded_in(tenant)?))) {
            Some((tenant, own)) => Ok(Grants::of(own, &*self.policy_of(tenant)?).confine(filter)),
            None => Ok(Some(filter)),
        }
    }

    /// Returns the tenant whose entries are listed; `None` for all tenants.
    pub(super) async fn listed_tenant(
        &self,
        caller: &Caller,
        tenant: &str,
        all_tenants: bool,
    ) -> Result<Option<TenantRecord>, ManagementError> {
        if !all_tenants {
            return Ok(Some(self.managed_tenant(caller, tenant).await?));
        }
        self.manages_keys(caller)?;
        if caller.role().is_none() {
            let text = "all_tenants is for operators: leave it out to list your own tenant";
            return Err(RequestError::PermissionDenied(text.into()).into());
        }
        if tenant.is_empty() {
            return Ok(None);
        }
        let text = "can't be set together with tenant: leave one of the two out";
        Err(RequestError::field("all_tenants", text).into())
    }

    fn key_filter(
        &self,
        request: &ListKeys,
        tenant: Option<&TenantRecord>,
        fields: &mut FieldValidator<'_>,
    ) -> KeyFilter {
        fields.labels("bindings", &request.bindings);
        range(fields, "created", request.created);
        range(fields, "last_used", request.last_used.time);
        range(fields, "expires", request.expires.time);
        let count = request.scopes.len();
        if count > MAX_SCOPES {
            fields.reject("scopes", format!("must have at most {MAX_SCOPES} scopes, and has {count}"));
        }
        // Each scope is looked up in all profiles, so that no more are read than a filter can have.
        let scopes = &request.scopes[..count.min(MAX_SCOPES)];
        for (n, scope) in scopes.iter().enumerate() {
            fields.text(&format!("scopes[{n}]"), scope, 1..=256);
        }
        let states =
            (!request.states.is_empty()).then(|| (request.states.clone(), self.parts.clock.now().wall));
        KeyFilter {
            tenant: tenant.map(|tenant| tenant.id),
            kind: optional(fields, "kind", &request.kind, 64),
            environments: optional(fields, "environment", &request.environment, 64).into_iter().collect(),
            states,
            bindings: request.bindings.clone(),
            name: optional(fields, "name_contains", &request.name_contains, 128),
            hint: hint(fields, &request.hint),
            created_by: optional(fields, "created_by", &request.created_by, 256),
            scopes: scopes.to_vec(),
            other_names: BTreeMap::new(),
            created: request.created,
            last_used: request.last_used,
            expires: request.expires,
        }
    }
}

/// Returns the last characters of a value. They may be written as lists show them: behind the prefix and `…`. The text is
/// not repeated in an error, since it may be a whole key.
fn hint(fields: &mut FieldValidator<'_>, given: &str) -> Option<String> {
    let text = given.rsplit('…').next().unwrap_or_default().trim();
    let length = text.chars().count();
    if length > HINT || (length == 0 && !given.is_empty()) {
        fields.reject(
            "hint",
            format!("must be the last {HINT} characters of the key's value, and has {length}"),
        );
    }
    (1..=HINT).contains(&length).then(|| text.to_owned())
}

/// Checks names of a request that selected no key.
fn check_names(request: &ListKeys, policies: &[Arc<Policy>], fields: &mut FieldValidator<'_>) {
    let ListKeys { kind, environment, created_by, .. } = request;
    check_key_names(fields, KeyNames { kind, environment, created_by }, policies);
    let is_known = |name: &str| policies.iter().any(|policy| policy.scopes.find(name).is_some());
    for (n, scope) in request.scopes.iter().enumerate().filter(|(_, name)| !is_known(name)) {
        let all = policies.iter().flat_map(|policy| policy.scopes.entries()).map(|entry| &*entry.name);
        unknown(fields, (&format!("scopes[{n}]"), "scope"), scope, all);
    }
}

/// Returns the encoded filter and order that a page token of keys is bound to.
fn list_of_keys(filter: &KeyFilter, order: KeyOrder, descending: bool) -> Encoder {
    let states = filter.states.iter().flat_map(|(states, _)| states);
    let states = states.fold(0, |bits, state| {
        bits | match state {
            KeyState::Active => 1,
            KeyState::Expired => 2,
            KeyState::Revoked => 4,
            KeyState::Disabled => 8,
        }
    });
    let order = match order {
        KeyOrder::Created => 1,
        KeyOrder::Name => 2,
        KeyOrder::LastUsed => 3,
        KeyOrder::Expires => 4,
    };
    let text = |encoder: Encoder, text: &String| encoder.text(text);
    let encoder = Encoder::new("latchkey.list_keys.v2")
        .optional(filter.tenant, |encoder, tenant| encoder.bytes(tenant.0.as_bytes()))
        .optional(filter.kind.as_ref(), text)
        .list(&filter.environments)
        .number(states)
        .map(&filter.bindings)
        .optional(filter.name.as_ref(), text)
        .optional(filter.hint.as_ref(), text)
        .optional(filter.created_by.as_ref(), text)
        .set(&filter.scopes);
    let encoder = encode_range(encoder, filter.created);
    encode_event(encode_event(encoder, filter.last_used), filter.expires)
        .number(order)
        .number(descending.into())
}

#[cfg(test)]
mod tests {
    use latchkey_core::id::TenantId;
    use latchkey_core::time::Timestamp;
    use uuid::Uuid;

    use super::*;

    #[test]
    fn the_bytes_that_name_a_list_of_keys_stay() {
        let all = list_of_keys(&KeyFilter::default(), KeyOrder::Created, true).hex();
        assert_eq!(all, "7a7d8769454a8689ac298a5bccc78d8dd04e4115d6704807e7cd9564f614b9e6");
        let time = TimeRange { from: Some(Timestamp(1)), until: Some(Timestamp(2)) };
        let some = KeyFilter {
            tenant: Some(TenantId(Uuid::from_u128(7))),
            kind: Some("secret".into()),
            environments: vec!["live".into()],
            states: Some((vec![KeyState::Revoked, KeyState::Disabled], Timestamp(9))),
            bindings: BTreeMap::from([("merchant".to_owned(), "m_1".to_owned())]),
            name: Some("ci".into()),
            hint: Some("7f3a".into()),
            created_by: Some("key_1".into()),
            scopes: vec!["a".into()],
            other_names: BTreeMap::new(),
            created: time,
            last_used: EventFilter { time, never: true },
            expires: EventFilter { time, never: false },
        };
        assert_eq!(
            list_of_keys(&some, KeyOrder::Name, false).hex(),
            "e4c1c6234aeb9ab1bf4e75d5ffd2929f0cfb01376fde69bd0d0cfbcfa7d9c0a4"
        );
    }

    #[test]
    fn a_hint_is_read_as_lists_show_it_and_a_whole_key_is_not_repeated() {
        let read = |text: &str| {
            let mut fields = FieldValidator::new("");
            let hint = hint(&mut fields, text);
            (hint, fields.into_violations().pop().map(|violation| violation.description))
        };
        assert_eq!(read(""), (None, None));
        assert_eq!(read("7f3a"), (Some("7f3a".into()), None));
        assert_eq!(read("sk_live_…7f3a"), (Some("7f3a".into()), None));
        for nothing in ["sk_live_…", "…", " "] {
            let (hint, error) = read(nothing);
            assert!(hint.is_none() && error.is_some_and(|error| error.ends_with("has 0")), "{nothing}");
        }
        let (hint, error) = read("sk_live_verysecretvalue");
        assert_eq!(hint, None);
        assert_eq!(error.unwrap(), "must be the last 4 characters of the key's value, and has 23");
    }
}
