//! Management over gRPC: authentication of the caller, and conversion of messages to requests and of records to
//! messages. `latchkey-management` decides what the caller may do; [`crate::status`] converts its errors.

mod audit;
mod bulk;
mod caller;
mod callers;
mod deletions;
mod keys;
mod profiles;
mod shadow;
mod tenants;
mod tokens;
mod usage;
mod users;

use std::sync::Arc;

use latchkey_core::gate::Gate;
use latchkey_core::ports::Limiter;
use latchkey_core::time::{Clock, Timestamp};
use latchkey_management::{Auditor, BulkChanges, Deletions, ManagementService, TokenIssuer, UsageReader};
use latchkey_profile::Catalog;

/// Dependencies of the management services.
pub(crate) struct ManagementApi<L> {
    pub(crate) gate: Arc<Gate<L>>,
    pub(crate) management: Arc<ManagementService>,
    pub(crate) tokens: Arc<TokenIssuer>,
    pub(crate) auditor: Arc<Auditor>,
    pub(crate) bulk: Arc<BulkChanges>,
    pub(crate) deletions: Arc<Deletions>,
    pub(crate) usage: Arc<UsageReader>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) catalog: Arc<Catalog>,
}

impl<L: Limiter> ManagementApi<L> {
    fn now(&self) -> Timestamp {
        self.clock.now().wall
    }
}

impl<L> Clone for ManagementApi<L> {
    fn clone(&self) -> Self {
        Self {
            gate: Arc::clone(&self.gate),
            management: Arc::clone(&self.management),
            tokens: Arc::clone(&self.tokens),
            auditor: Arc::clone(&self.auditor),
            bulk: Arc::clone(&self.bulk),
            deletions: Arc::clone(&self.deletions),
            usage: Arc::clone(&self.usage),
            clock: Arc::clone(&self.clock),
            catalog: Arc::clone(&self.catalog),
        }
    }
}
