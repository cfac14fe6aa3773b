//! Pages of audit events. An operator or a caller of a whole tenant sees every event of the tenant; a caller that is
//! confined to bindings or an environment sees its own actions, and what happened to the keys and users that it can
//! manage. A caller of a tenant sees names of its own tenant alone.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use latchkey_core::error::{ManagementError, RequestError, SystemError};
use latchkey_core::id::{KeyId, TenantId, UserId};
use latchkey_core::policy::Policy;
use latchkey_core::principal::Principal;
use latchkey_core::record::{TenantRecord, TenantRef};
use latchkey_core::time::Timestamp;
use uuid::Uuid;

use super::{Auditor, ListAuditEvents, actions};
use crate::Caller;
use crate::encoding::Encoder;
use crate::field_validator::FieldValidator;
use crate::grants::Grants;
use crate::listing::names::is_subject;
use crate::page::{self, Page};
use crate::ports::audit::{ActionFilter, AuditEvent, AuditFilter, AuditLog};
use crate::users;

/// Event with the names of the keys and users that it is about, as they are now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedEvent {
    /// The event.
    pub event: AuditEvent,
    /// Name of the key or e-mail address of the user that acted; empty for others.
    pub actor_name: String,
    /// Name of the key or e-mail address of the user that was acted on; empty for others.
    pub target_name: String,
}

/// Events that are read at a time for a caller that sees only some of them.
const BATCH: u32 = 1_000;
/// Most batches that are read for one page. A page can therefore be short, and still have a next one.
const MAX_BATCHES: u32 = 20;

impl Auditor {
    /// Lists events, newest first: those of one tenant or, for operators, those of all tenants.
    pub async fn list(
        &self,
        caller: &Caller,
        request: ListAuditEvents,
    ) -> Result<Page<ListedEvent>, ManagementError> {
        let all_tenants = caller.principal().is_none() && request.tenant.is_empty();
        let tenant =
            if all_tenants { None } else { Some(self.tenant_of_events(caller, &request.tenant).await?) };
        let mut fields = FieldValidator::new("");
        fields.extend(&request.violations);
        let filter = AuditFilter {
            tenant: tenant.as_ref().map(|(id, _)| *id),
            actor: optional(&mut fields, "actor", &request.actor),
            action: action(&mut fields, &request),
            target: optional(&mut fields, "target", &request.target),
            from: request.from,
            until: request.until,
            pruned: false,
        };
        let list = list_of_events(&filter);
        let size = fields.collect(page::size(request.page_size));
        let before = fields.collect(page::cursor(&request.page_token, &list));
        if request.from.zip(request.until).is_some_and(|(from, until)| until <= from) {
            fields.reject("end_time", "must be later than start_time");
        }
        fields.finish()?;
        let (size, before) = (size.unwrap_or_default(), before.flatten().map(|id| id.as_u64_pair().1));
        let view = match (caller.principal(), &tenant) {
            (Some(own), Some((_, Some(tenant)))) => View::of(caller, own, self.management.policy_of(tenant)?),
            (_, _) => View::Everything,
        };
        let first = before.is_none();
        let (items, next) = self.visible_events(&view, &filter, before, size).await?;
        if first && items.is_empty() && next.is_none() {
            check_possible(&filter)?;
        }
        let next = next.map(|sequence| page::token(Uuid::from_u64_pair(0, sequence), &list));
        Ok(Page { items, next: next.unwrap_or_default() })
    }

    /// Returns the tenant whose events are listed. An operator can name one that was deleted by its identifier: its
    /// events stay.
    async fn tenant_of_events(
        &self,
        caller: &Caller,
        name: &str,
    ) -> Result<(TenantId, Option<TenantRecord>), ManagementError> {
        let missing = match self.management.managed_tenant(caller, name).await {
            Ok(tenant) => return Ok((tenant.id, Some(tenant))),
            Err(error) => error,
        };
        let Some(TenantRef::Id(id)) = TenantRef::parse(name).filter(|_| caller.principal().is_none()) else {
            return Err(missing);
        };
        let filter = AuditFilter { tenant: Some(id), ..AuditFilter::default() };
        let events = self.log.events(&filter, None, 1).await?;
        if events.events.is_empty() { Err(missing) } else { Ok((id, None)) }
    }

    /// Returns at most `limit` events that a caller sees, and the position after which more can follow.
    async fn visible_events(
        &self,
        view: &View<'_>,
        filter: &AuditFilter,
        mut before: Option<u64>,
        limit: u32,
    ) -> Result<(Vec<ListedEvent>, Option<u64>), SystemError> {
        let confined = matches!(view, View::Confined { .. });
        let (size, batches) = if confined { (limit.max(BATCH), MAX_BATCHES) } else { (limit, 1) };
        let wanted = usize::try_from(limit).unwrap_or(usize::MAX);
        let mut found = Vec::new();
        for _ in 0..batches {
            let page = self.log.events(filter, before, size).await?;
            before = page.next;
            let subjects = NamedSubjects::of(&page.events, &*self.log, view).await?;
            found.extend(page.events.into_iter().filter_map(|event| subjects.listed(event, view)));
            if found.len() > wanted {
                found.truncate(wanted);
                return Ok((found.clone(), found.last().map(|listed| listed.event.sequence)));
            }
            if found.len() == wanted || before.is_none() {
                break;
            }
        }
        Ok((found, before))
    }
}

/// Rejects a filter that selected no event and can select none.
fn check_possible(filter: &AuditFilter) -> Result<(), RequestError> {
    let mut fields = FieldValidator::new("");
    if let Some(action) = &filter.action {
        actions::check(action, &mut fields);
    }
    if filter.actor.as_deref().is_some_and(|actor| !is_subject(actor)) {
        fields.reject(
            "actor",
            "no event has it as its actor: it must be the id of a key (key_…) or of a user (user_…), not its name, or \
             \"certificate NAME\", or \"latchkey\" for what a server did on its own",
        );
    }
    fields.finish()
}

/// Returns the text of a filter; `None` if it is empty.
fn optional(fields: &mut FieldValidator<'_>, field: &str, text: &str) -> Option<String> {
    fields.text(field, text, 0..=256);
    (!text.is_empty()).then(|| text.to_owned())
}

fn action(fields: &mut FieldValidator<'_>, request: &ListAuditEvents) -> Option<ActionFilter> {
    let exact = optional(fields, "action", &request.action);
    let prefix = optional(fields, "action_prefix", &request.action_prefix);
    if exact.is_some() && prefix.is_some() {
        fields.reject("action_prefix", "can't be set together with action: leave one of the two empty");
    }
    exact.map(ActionFilter::Is).or(prefix.map(ActionFilter::StartsWith))
}

/// Extent of the events that a caller sees.
enum View<'a> {
    /// Every event of the list, for an operator.
    Everything,
    /// Every event of a tenant, with the names of its own keys and users alone.
    Tenant(TenantId),
    /// Events about the keys and users that a confined caller can manage.
    Confined { subject: &'a str, principal: &'a Principal, policy: Arc<Policy> },
}

impl<'a> View<'a> {
    fn of(caller: &'a Caller, principal: &'a Principal, policy: Arc<Policy>) -> Self {
        if Grants::of(principal, &policy).is_confined() {
            Self::Confined { subject: &caller.subject, principal, policy }
        } else {
            Self::Tenant(principal.tenant.id)
        }
    }
}

/// Names of the keys and users of some events that a caller can see, by identifier.
struct NamedSubjects(HashMap<String, String>);

impl NamedSubjects {
    async fn of(events: &[AuditEvent], log: &dyn AuditLog, view: &View<'_>) -> Result<Self, SystemError> {
        let texts: HashSet<&str> = events.iter().flat_map(|event| [&*event.actor, &*event.target]).collect();
        let keys: Vec<KeyId> = texts.iter().filter_map(|text| text.parse().ok()).collect();
        let users: Vec<UserId> = texts.iter().filter_map(|text| text.parse().ok()).collect();
        let mut found = log.subjects(&keys, &users).await?;
        // The keys of operators act in every tenant, and their names are the operators' own.
        match view {
            View::Everything => {}
            View::Tenant(tenant) => {
                found.keys.retain(|key| key.tenant == *tenant);
                found.users.retain(|user| user.tenant == *tenant);
            }
            View::Confined { principal, policy, .. } => {
                let (tenant, grants) = (principal.tenant.id, Grants::of(principal, policy));
                found.keys.retain(|key| key.tenant == tenant && grants.reaches(key));
                found
                    .users
                    .retain(|user| user.tenant == tenant && users::reach::reaches(principal, user, policy));
            }
        }
        let keys = found.keys.into_iter().map(|key| (key.id.to_string(), key.name));
        let users = found.users.into_iter().map(|user| (user.id.to_string(), user.email));
        Ok(Self(keys.chain(users).collect()))
    }

    /// Returns the event with its names; `None` if the caller does not see it.
    fn listed(&self, event: AuditEvent, view: &View<'_>) -> Option<ListedEvent> {
        if let View::Confined { subject, .. } = view {
            let is_subject = event.target.parse::<KeyId>().is_ok() || event.target.parse::<UserId>().is_ok();
            let about = if is_subject { &event.target } else { &event.actor };
            let visible =
                event.actor == *subject || self.0.contains_key(about) || event.action.starts_with("tenant.");
            if !visible {
                return None;
            }
        }
        let name = |id: &str| self.0.get(id).cloned().unwrap_or_default();
        Some(ListedEvent { actor_name: name(&event.actor), target_name: name(&event.target), event })
    }
}

/// Returns the encoded filter that a page token of audit events is bound to.
pub(super) fn list_of_events(filter: &AuditFilter) -> Encoder {
    let time = |encoder: Encoder, time: Timestamp| encoder.signed(time.0);
    let text = |encoder: Encoder, text: &String| encoder.text(text);
    let action = |encoder: Encoder, action: &ActionFilter| match action {
        ActionFilter::Is(action) => encoder.number(1).text(action),
        ActionFilter::StartsWith(prefix) => encoder.number(2).text(prefix),
    };
    Encoder::new("latchkey.list_audit_events.v2")
        .optional(filter.tenant, |encoder, tenant| encoder.bytes(tenant.0.as_bytes()))
        .optional(filter.actor.as_ref(), text)
        .optional(filter.action.as_ref(), action)
        .optional(filter.target.as_ref(), text)
        .optional(filter.from, time)
        .optional(filter.until, time)
}
