//! What goes into the audit log of a management call.

use std::collections::BTreeMap;

use latchkey_core::id::TenantId;

use super::{CallContext, Caller, ManagementService};
use crate::ports::AuditEntry;

impl ManagementService {
    /// An entry for what the caller does now.
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
    /// Of this tenant's things.
    pub(super) fn for_tenant(mut self, tenant: TenantId) -> Self {
        self.tenant = Some(tenant);
        self
    }

    /// Done to this.
    pub(super) fn on_target(mut self, target: &impl ToString) -> Self {
        self.target = target.to_string();
        self
    }

    /// As part of this request.
    pub(super) fn in_request(mut self, request_id: &str) -> Self {
        request_id.clone_into(&mut self.request_id);
        self
    }

    /// With one more detail, left out where it is empty.
    pub(super) fn with_detail(mut self, name: &str, value: impl Into<String>) -> Self {
        let value = value.into();
        if !value.is_empty() {
            self.details.insert(name.to_owned(), value);
        }
        self
    }
}
