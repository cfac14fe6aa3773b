//! Users that a caller of a tenant can see and manage: those within its own bindings and environment.

use latchkey_core::error::ManagementError;
use latchkey_core::id::UserId;
use latchkey_core::policy::Policy;
use latchkey_core::principal::Principal;
use latchkey_core::record::TenantRecord;
use latchkey_core::user::UserRecord;

use crate::Caller;
use crate::key_builder::DEFAULT_ENVIRONMENT;
use crate::tokens::TokenIssuer;

/// Users that are read at a time for a caller that can manage only some of them.
const BATCH: u32 = 1_000;

impl TokenIssuer {
    /// Returns at most `limit` users that the caller can manage, newest first, older than `before`.
    pub(super) async fn users_in_reach(
        &self,
        caller: &Caller,
        tenant: &TenantRecord,
        mut before: Option<UserId>,
        limit: u32,
    ) -> Result<Vec<UserRecord>, ManagementError> {
        let Some(own) = caller.principal() else {
            return Ok(self.parts.store.users(tenant.id, before, limit).await?);
        };
        let policy = self.parts.management.policy_of(tenant)?;
        let (wanted, size) = (usize::try_from(limit).unwrap_or(usize::MAX), limit.max(BATCH));
        let mut found = Vec::new();
        loop {
            let batch = self.parts.store.users(tenant.id, before, size).await?;
            let last = batch.last().map(|user| user.id);
            found.extend(batch.into_iter().filter(|user| reaches(own, user, &policy)));
            if last.is_none() || found.len() >= wanted {
                found.truncate(wanted);
                return Ok(found);
            }
            before = last;
        }
    }
}

/// Returns whether a caller of a tenant can see and manage a user.
pub(crate) fn reaches(principal: &Principal, user: &UserRecord, policy: &Policy) -> bool {
    let bound = |(name, value): (&str, &str)| user.bindings.get(name).map(String::as_str) == Some(value);
    principal.bindings().iter().all(bound) && reaches_environment(principal, user, policy)
}

/// Returns whether a user is confined to the caller's environment, if the caller is confined to one. A key of the
/// default environment counts as a key of the whole tenant here: every key belongs to an environment, and one of them
/// must be able to manage the users of all.
pub(super) fn reaches_environment(principal: &Principal, user: &UserRecord, policy: &Policy) -> bool {
    principal.environment().is_none_or(|own| {
        let whole =
            policy.environments.len() == 1 || (principal.user().is_none() && own == DEFAULT_ENVIRONMENT);
        whole || user.environment.as_deref() == Some(own)
    })
}
