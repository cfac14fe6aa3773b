//! Construction of audit log entries for management calls.

use std::collections::BTreeMap;

use latchkey_core::id::TenantId;

use super::{CallContext, Caller, ManagementService};
use crate::ports::AuditEntry;

impl ManagementService {
    /// Returns an entry for an action that the caller performs now.
    pub(super) fn audit_entry(
        &self,
        caller: &Caller,
        action: &'static str,
        call: &CallContext,
    ) -> AuditEntry {
        AuditEntry {
            time: self.parts.clock.now().wall,
            tenant: None,
            actor: caller.subject.clone(),
            action,
            target: String::new(),
            request_id: call.request_id.clone(),
            details: BTreeMap::new(),
        }
    }
}

impl AuditEntry {
    /// Sets the tenant that the entry belongs to.
    pub(super) fn for_tenant(mut self, tenant: TenantId) -> Self {
        self.tenant = Some(tenant);
        self
    }

    /// Sets the object that was acted on.
    pub(super) fn on_target(mut self, target: &impl ToString) -> Self {
        self.target = target.to_string();
        self
    }

    /// Sets the identifier of the request.
    pub(super) fn in_request(mut self, request_id: &str) -> Self {
        request_id.clone_into(&mut self.request_id);
        self
    }

    /// Adds a detail. An empty value is left out.
    pub(super) fn with_detail(mut self, name: &str, value: impl Into<String>) -> Self {
        let value = value.into();
        if !value.is_empty() {
            self.details.insert(name.to_owned(), value);
        }
        self
    }
}
