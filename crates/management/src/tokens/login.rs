//! Login with an e-mail address and a password. Every failure does the same work, whether the user exists or not: it
//! reads a user, hashes the password, and counts the failure for the account and the address of the caller.
//!
//! The failure is counted after the password was hashed. A login that is refused because too many passwords are being
//! hashed says nothing about the password, and does not count.

use latchkey_core::error::{ManagementError, RequestError, SystemError};
use latchkey_core::id::TenantId;
use latchkey_core::login::{LoginVerdict, account_id, address_id};
use latchkey_core::observer::{LoginOutcome, TokenEvent};
use latchkey_core::record::{TenantRecord, TenantRef};
use latchkey_core::secret::KeyHash;
use latchkey_core::user::UserRecord;

use super::holder::{Holder, generation};
use super::{TokenIssuer, delete_batches};
use crate::CallContext;
use crate::password::requirements::MAX_BYTES;
use crate::password::{self, Comparison, PasswordHash, PlainPassword};
use crate::ports::AuditAction;
use crate::ports::tokens::{LoginAttempt, run_blocking};
use crate::users::email;

/// User that may log in, with the hash of the password.
struct LoginUser {
    record: UserRecord,
    password: PasswordHash,
}

/// Account that a login names, and its user, if there is one that may log in.
struct LoginAccount {
    id: KeyHash,
    user: Option<LoginUser>,
}

impl TokenIssuer {
    /// Returns the user with an e-mail address and a password.
    pub(super) async fn password_holder(
        &self,
        email: &str,
        password: PlainPassword,
        tenant: &str,
        call: &CallContext,
    ) -> Result<Holder, ManagementError> {
        let failed = |outcome| {
            self.emit(TokenEvent::Login(outcome));
            Err(RequestError::InvalidLogin.into())
        };
        if password.text().len() > MAX_BYTES {
            return failed(LoginOutcome::Failure);
        }
        let account = self.login_account(email, tenant, call).await?;
        let (correct, renewed) = match self.compare(password, account.user.as_ref(), call).await {
            Err(ManagementError::Request(busy @ RequestError::ResourceExhausted(_))) => {
                self.emit(TokenEvent::Login(LoginOutcome::Busy));
                return Err(busy.into());
            }
            compared => compared?,
        };
        let verdict = self.decide(&account, correct, call).await?;
        let user = match (verdict, account.user) {
            (LoginVerdict::Success, Some(user)) => user,
            (LoginVerdict::Locked, _) => return failed(LoginOutcome::Locked),
            (LoginVerdict::Success | LoginVerdict::Failure, _) => return failed(LoginOutcome::Failure),
        };
        if let Some(renewed) = renewed {
            self.parts.store.replace_password(user.record.id, &user.password, renewed).await?;
        }
        let holder = self.user(user.record.id, tenant, call).await?;
        // The password that was compared must still be the user's.
        if generation(&holder.principal) != user.record.generation {
            return failed(LoginOutcome::Failure);
        }
        self.emit(TokenEvent::Login(LoginOutcome::Success));
        Ok(holder)
    }

    /// Reads the account that a login names, by the same queries whether it exists or not. A tenant of another profile than
    /// that of the endpoint does not exist for it.
    async fn login_account(
        &self,
        email: &str,
        tenant: &str,
        call: &CallContext,
    ) -> Result<LoginAccount, ManagementError> {
        let owner = match TenantRef::parse(tenant) {
            Some(named) => self.shared().store.tenant(&named).await?,
            None => None,
        };
        let owner = owner.filter(|owner| call.is_for(&owner.profile));
        let canonical = email::stored_form(email);
        let of_tenant = owner.as_ref().map_or(TenantId(uuid::Uuid::nil()), |owner| owner.id);
        let found = self.user_of_login(of_tenant, email).await?;
        let address = found.as_ref().map(|(user, _)| user.email.clone()).or(canonical);
        let may_log_in = owner.as_ref().is_some_and(|owner| !owner.suspended);
        let user = found.filter(|(record, _)| may_log_in && !record.disabled);
        let counted = counted_tenant(owner.as_ref(), tenant);
        Ok(LoginAccount {
            id: account_id(&counted, address.as_deref().unwrap_or(email)),
            user: user.map(|(record, password)| LoginUser { record, password }),
        })
    }

    /// Reads the user of a tenant with an address in one of its forms, the likeliest first. The address alone says how many
    /// queries there are.
    async fn user_of_login(
        &self,
        tenant: TenantId,
        address: &str,
    ) -> Result<Option<(UserRecord, PasswordHash)>, SystemError> {
        let mut forms = email::known_forms(address);
        if forms.is_empty() {
            forms.push(String::new());
        }
        let mut first = None;
        for form in &forms {
            let found = self.parts.store.login_user(tenant, form).await?;
            first = first.or(found);
        }
        Ok(first)
    }

    /// Decides on an attempt by the failures of the account and of the caller's address, and counts a failure.
    async fn decide(
        &self,
        account: &LoginAccount,
        correct: bool,
        call: &CallContext,
    ) -> Result<LoginVerdict, ManagementError> {
        let address = address_id(&account.id, call.address);
        let attempt = LoginAttempt { account: account.id, address, correct, time: self.now() };
        let lock = account.user.as_ref().map(|user| {
            let entry = self.subject_audit_entry("latchkey", AuditAction::UserLock, user.record.tenant);
            let from = call.address.map(|address| address.to_canonical().to_string()).unwrap_or_default();
            entry.on_target(&user.record.id).in_request(&call.request_id).with_detail("address", from)
        });
        Ok(self.parts.store.decide_login(&attempt, lock).await?)
    }

    /// Compares a password with a user's, in the same time without a user. Returns if it is right, and a new hash if
    /// the stored one is outdated.
    async fn compare(
        &self,
        password: PlainPassword,
        user: Option<&LoginUser>,
        call: &CallContext,
    ) -> Result<(bool, Option<PasswordHash>), ManagementError> {
        let kept = user.map(|user| user.password.clone());
        let salt = password::salt(&mut (self.shared().random)());
        self.run_with_password(call, move || {
            let Comparison { correct, outdated } = password::verify(&password, kept.as_ref());
            let renewed = (correct && outdated).then(|| password::hash(&password, &salt));
            (correct, renewed)
        })
        .await
    }

    /// Runs a job that hashes a password. It counts as a job of the caller's address until it has ended or was discarded, also
    /// if the caller gives up, so that the jobs of one address leave room for the logins of all others.
    pub(crate) async fn run_with_password<T: Send + 'static>(
        &self,
        call: &CallContext,
        job: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, ManagementError> {
        let slot = self.password_slots.begin(call.address, self.parts.blocking.capacity().div_ceil(2))?;
        run_blocking(&*self.parts.blocking, move || {
            let done = job();
            drop(slot);
            done
        })
        .await
    }

    /// Deletes the obsolete login histories; returns their number.
    pub async fn prune_logins(&self) -> Result<u64, SystemError> {
        let now = self.now();
        delete_batches(|| self.parts.store.prune_logins(now)).await
    }
}

/// Returns the text by which the failed logins of a tenant's accounts are counted. For a tenant that does not exist for the
/// call, it is no identifier: the call can name that of a tenant of another profile, whose accounts it must not lock.
fn counted_tenant(owner: Option<&TenantRecord>, named: &str) -> String {
    owner.map_or_else(|| format!("?{named}"), |owner| owner.id.to_string())
}

#[cfg(test)]
mod tests {
    use latchkey_core::time::Timestamp;
    use rand::SeedableRng as _;

    use super::*;
    use crate::operators;

    #[test]
    fn logins_to_a_tenant_of_another_profile_do_not_count_for_its_accounts() {
        let tenant = operators::tenant(Timestamp(1), &mut rand::rngs::StdRng::from_seed([1; 32]));
        let id = tenant.id.to_string();
        assert_eq!(counted_tenant(Some(&tenant), "latchkey"), id);
        assert_ne!(counted_tenant(None, &id), id);
    }
}
