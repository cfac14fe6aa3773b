//! Calls that revoke or disable many keys at a time: those that a request names, or those of a tenant that match a
//! filter. Keys are changed in batches. Each key has an audit event, and the call one that sums up. The call waits once,
//! until every replica has applied the last batch.

mod names;
mod selection;

use std::collections::BTreeMap;
use std::sync::Arc;

use latchkey_core::error::{ManagementError, RequestError};
use latchkey_core::id::KeyId;
use latchkey_core::principal::Principal;
use latchkey_core::record::{KeyRecord, KeyState};
use latchkey_core::time::Timestamp;

use self::selection::{Scope, Selection};
use super::field_validator::FieldValidator;
use super::grants::{Grants, PriorState};
use super::usage::UsageReader;
use super::{CallContext, Caller, ManagementService};
use crate::ports::bulk::{BulkChange, BulkStore, ChangedKeys};
use crate::ports::{ActingCaller, AuditAction, AuditEntry, WriteResult};

/// Keys of a tenant; the fields are those of `latchkey.v1.KeysFilter`. Empty fields match every key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeysFilter {
    /// Tenant by id or slug; empty for the caller's own.
    pub tenant: String,
    /// Kind.
    pub kind: String,
    /// Environment.
    pub environment: String,
    /// State; `None` for any.
    pub state: Option<KeyState>,
    /// Bindings that a key must have; it can have others as well.
    pub bindings: BTreeMap<String, String>,
    /// Subject that created the key.
    pub created_by: String,
    /// Keys whose last allowed call, or whose creation if there was none, was before this time.
    pub unused_since: Option<Timestamp>,
}

/// Change of many keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangeKeys {
    /// Identifiers of the keys; empty if there is a filter.
    pub ids: Vec<String>,
    /// Keys to change; `None` if there are identifiers.
    pub filter: Option<KeysFilter>,
    /// The change.
    pub change: BulkChange,
    /// True to count the keys and to change none.
    pub dry_run: bool,
}

/// Result of a change of many keys.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BulkResult {
    /// Keys that the request names or the filter matches.
    pub matched: u64,
    /// Keys that the call has changed, or would change.
    pub changed: u64,
    /// Revision of the last change; 0 if there was none.
    pub revision: u64,
    /// Error that ended the call after it had changed some keys.
    pub failed: Option<ManagementError>,
}

/// Progress of a call.
#[derive(Default)]
struct Progress {
    result: BulkResult,
    /// Result of the last batch.
    last: Option<WriteResult<ChangedKeys>>,
    /// True after a batch that had the caller's own key, which can have ended by it. The call continues all the same.
    ends_caller: bool,
}

/// Most keys that a request can name.
const MAX_IDS: usize = 10_000;

/// Carries out changes of many keys.
pub struct BulkChanges {
    management: Arc<ManagementService>,
    usage: Arc<UsageReader>,
    store: Arc<dyn BulkStore>,
}

impl BulkChanges {
    /// Creates the service from its dependencies.
    #[must_use]
    pub fn new(
        management: Arc<ManagementService>,
        usage: Arc<UsageReader>,
        store: Arc<dyn BulkStore>,
    ) -> Self {
        Self { management, usage, store }
    }

    /// Changes the keys. No replica admits a key that was changed when this returns without a failure.
    pub async fn change(
        &self,
        caller: &Caller,
        request: ChangeKeys,
        call: &CallContext,
    ) -> Result<BulkResult, ManagementError> {
        self.management.manages_keys(caller)?;
        check(&request)?;
        let (scope, mut selection) = match &request.filter {
            Some(filter) => self.filtered(caller, filter).await?,
            None => self.named(caller, &request.ids).await?,
        };
        let mut progress = Progress::default();
        let mut done =
            self.change_all(caller, scope.as_ref(), &mut selection, &request, &mut progress, call).await;
        let Progress { mut result, last, .. } = progress;
        if result.revision > 0 {
            let summed = self.sum_up(caller, scope.as_ref(), &request, (&result, done.is_ok()), call).await;
            done = done.and(summed);
        }
        if let (Ok(()), Some(last)) = (&done, last) {
            done = self.management.wait_until_applied(last, call).await.map(drop);
        }
        match done {
            Ok(()) => Ok(result),
            Err(error) if result.revision == 0 => Err(error),
            Err(error) => {
                result.failed = Some(error);
                Ok(result)
            }
        }
    }

    /// Changes the selected keys, a batch at a time, or counts them.
    async fn change_all(
        &self,
        caller: &Caller,
        scope: Option<&Scope>,
        selection: &mut Selection,
        request: &ChangeKeys,
        progress: &mut Progress,
        call: &CallContext,
    ) -> Result<(), ManagementError> {
        let result = &mut progress.result;
        loop {
            let batch = self.next(selection).await?;
            if batch.is_empty() {
                // A filter by state matches nothing any more if an earlier call has changed the keys. An empty batch has
                // the newest revision, so that this call waits for those changes too.
                if progress.last.is_none() && !request.dry_run {
                    progress.last = Some(self.change_batch(caller, scope, &[], request, None, call).await?);
                }
                return Ok(());
            }
            result.matched += batch.len() as u64;
            if request.dry_run {
                let now = self.management.parts.clock.now().wall;
                let wanted = batch.iter().filter(|key| request.change.apply(key, now).is_some());
                result.changed += wanted.count() as u64;
                continue;
            }
            let acting = caller.acting().filter(|_| !progress.ends_caller);
            let written = self.change_batch(caller, scope, &batch, request, acting, call).await?;
            let own = caller.identity().and_then(Principal::key).map(|own| own.id);
            progress.ends_caller |= batch.iter().any(|key| Some(key.id) == own);
            result.changed += written.value.changed;
            if written.changed {
                result.revision = written.revision;
            }
            progress.last = Some(written);
        }
    }

    /// Changes a batch of keys, unless the `acting` caller has lost rights since the call began.
    async fn change_batch(
        &self,
        caller: &Caller,
        scope: Option<&Scope>,
        batch: &[KeyRecord],
        request: &ChangeKeys,
        acting: Option<ActingCaller>,
        call: &CallContext,
    ) -> Result<WriteResult<ChangedKeys>, ManagementError> {
        let now = self.management.parts.clock.now().wall;
        let bounds = scope.and_then(|scope| {
            let own = caller.bounded_in(&scope.tenant)?;
            Some((own, scope.policy.as_deref()?))
        });
        let check = |before: &KeyRecord, after: &KeyRecord| {
            bounds.map_or(Ok(()), |(own, policy)| {
                Grants::of(own, policy).check(PriorState::Key(before), after, now)
            })
        };
        let (action, reason) = match &request.change {
            BulkChange::Revoke { reason } => (AuditAction::KeyRevoke, &**reason),
            BulkChange::Disable => (AuditAction::KeyUpdate, ""),
        };
        let entry = self.management.audit_entry(caller, action, call).with_detail("reason", reason);
        let entry = entry.with_detail("selected_by", selected_by(request));
        let entry = AuditEntry { caller: acting, ..entry };
        let ids: Vec<KeyId> = batch.iter().map(|key| key.id).collect();
        self.store.change_keys(&ids, &request.change, &check, entry).await
    }

    /// Writes the event that sums up the call.
    async fn sum_up(
        &self,
        caller: &Caller,
        scope: Option<&Scope>,
        request: &ChangeKeys,
        (result, complete): (&BulkResult, bool),
        call: &CallContext,
    ) -> Result<(), ManagementError> {
        let (action, reason) = match &request.change {
            BulkChange::Revoke { reason } => (AuditAction::KeysRevoke, &**reason),
            BulkChange::Disable => (AuditAction::KeysDisable, ""),
        };
        let mut entry = self.management.audit_entry(caller, action, call).on_target(&selected_by(request));
        if let Some(scope) = scope {
            entry = entry.for_tenant(scope.tenant.id).on_target(&scope.tenant.slug);
        }
        let entry = entry
            .with_detail("matched", result.matched.to_string())
            .with_detail("changed", result.changed.to_string())
            .with_detail("selected_by", description(request))
            .with_detail("reason", reason)
            .with_detail("complete", if complete { "" } else { "false" });
        Ok(self.store.record_bulk(entry).await?)
    }
}

/// Checks the fields of a request.
fn check(request: &ChangeKeys) -> Result<(), RequestError> {
    let mut fields = FieldValidator::new("");
    match (&request.filter, request.ids.len()) {
        (None, 0) => {
            fields.reject("ids", "names no key: name keys by ids, or select keys of a tenant by filter");
        }
        (Some(_), 1..) => fields.reject("filter", "can't be combined with ids: set one of them"),
        (None, count) if count > MAX_IDS => {
            fields.reject("ids", format!("must name at most 10,000 keys, and names {count}"));
        }
        (Some(_), 0) | (None, _) => {}
    }
    if let Some(filter) = &request.filter {
        fields.text("filter.kind", &filter.kind, 0..=64);
        fields.text("filter.environment", &filter.environment, 0..=64);
        fields.text("filter.created_by", &filter.created_by, 0..=128);
        fields.labels("filter.bindings", &filter.bindings);
    }
    if let BulkChange::Revoke { reason } = &request.change {
        fields.text("reason", reason, 0..=256);
    }
    fields.finish()
}

fn selected_by(request: &ChangeKeys) -> &'static str {
    if request.filter.is_some() { "filter" } else { "ids" }
}

/// Returns the filter of a request in words, for the audit log.
fn description(request: &ChangeKeys) -> String {
    let Some(filter) = &request.filter else { return format!("{} ids", request.ids.len()) };
    let state = filter.state.map(|state| format!("{state:?}").to_lowercase()).unwrap_or_default();
    let since = filter.unused_since.map(|since| since.to_string()).unwrap_or_default();
    let bindings: Vec<String> =
        filter.bindings.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let parts = [
        ("kind", filter.kind.clone()),
        ("environment", filter.environment.clone()),
        ("state", state),
        ("created_by", filter.created_by.clone()),
        ("unused_since", since),
        ("bindings", bindings.join(",")),
    ];
    let parts = parts.iter().filter(|(_, value)| !value.is_empty());
    let text: Vec<String> = parts.map(|(name, value)| format!("{name}={value}")).collect();
    if text.is_empty() { "all keys".to_owned() } else { text.join(" ") }
}
