//! Users of a tenant: operators and the tenant's key managers create them, set their passwords and disable them. A
//! caller that creates a user or sets its password thereby grants everything that the user can do.

pub(crate) mod email;
mod grants;
pub(crate) mod reach;
mod update;

use std::collections::BTreeMap;

pub use self::update::UpdateUser;

use latchkey_core::choices::not_one_of;
use latchkey_core::error::{ManagementError, RequestError};
use latchkey_core::excerpt::Quoted;
use latchkey_core::id::UserId;
use latchkey_core::policy::Policy;
use latchkey_core::record::{TenantRecord, TenantRef};
use latchkey_core::user::UserRecord;

use self::grants::PriorState;
use super::field_validator::FieldValidator;
use super::missing::ObjectType;
use super::tokens::TokenIssuer;
use super::{CallContext, Caller};
use crate::bindings;
use crate::password::requirements::{self, WeakPassword};
use crate::password::{self, PasswordHash, PlainPassword};
use crate::ports::AuditAction;

/// Request for a user; the fields are those of `latchkey.v1.CreateUserRequest`.
#[derive(Clone, Debug)]
pub struct CreateUser {
    /// Tenant by id or slug; empty for the caller's own.
    pub tenant: String,
    /// E-mail address, unique in the tenant.
    pub email: String,
    /// Password, checked by the profile's minimum length and NIST SP 800-63B-4.
    pub password: PlainPassword,
    /// Role of the profile.
    pub role: String,
    /// Resources and identifiers that the user is confined to.
    pub bindings: BTreeMap<String, String>,
    /// Environment that the user is confined to; empty for none.
    pub environment: String,
}

/// New password of a user.
#[derive(Clone, Debug)]
pub struct SetUserPassword {
    /// Identifier of the user.
    pub id: String,
    /// New password.
    pub password: PlainPassword,
}

impl TokenIssuer {
    /// Creates a user.
    pub async fn create_user(
        &self,
        caller: &Caller,
        request: CreateUser,
        call: &CallContext,
    ) -> Result<UserRecord, ManagementError> {
        let tenant = self.parts.management.tenant_to_add_to(caller, &request.tenant).await?;
        let policy = self.parts.management.policy_of(&tenant)?;
        let mut fields = FieldValidator::new("");
        let email = email::stored_form(&request.email);
        if email.is_none() {
            let text =
                format!("{} is not an e-mail address, such as ada@example.com", Quoted(&request.email));
            fields.reject("email", text);
        }
        role(&mut fields, "role", &request.role, &policy);
        bindings::check(&mut fields, "bindings", &request.bindings, caller.bindings(), &policy);
        let environment = environment(&mut fields, "environment", &request.environment, &policy);
        let email = email.unwrap_or_default();
        check_password(&mut fields, &request.password, &policy, &email);
        fields.finish()?;
        let now = self.now();
        let user = UserRecord {
            id: UserId::new(now, &mut (self.shared().random)()),
            tenant: tenant.id,
            email,
            role: request.role.into(),
            bindings: request.bindings,
            environment,
            disabled: false,
            generation: 1,
            created: now,
            revision: 0,
        };
        grants::check(caller, &policy, PriorState::Nothing, &user)?;
        self.check_not_stored(&user, &request.email).await?;
        let hash = self.hash(request.password, call).await?;
        let entry = self
            .parts
            .management
            .audit_entry(caller, AuditAction::UserCreate, call)
            .for_tenant(tenant.id)
            .on_target(&user.id);
        let entry = entry.with_new_user(&user);
        let written = self.parts.store.create_user(user, hash, entry).await?;
        Ok(self.parts.management.wait_until_applied(written, call).await?.value)
    }

    /// Rejects a new user whose address an earlier version stored in another form. The store itself compares the present
    /// form.
    async fn check_not_stored(&self, user: &UserRecord, sent: &str) -> Result<(), ManagementError> {
        for form in email::known_forms(sent).iter().filter(|form| **form != user.email) {
            if self.parts.store.login_user(user.tenant, form).await?.is_some() {
                let text = "a user has this e-mail address already, in decomposed letters";
                return Err(RequestError::AlreadyExists(text.to_owned()).into());
            }
        }
        Ok(())
    }

    /// Sets a user's password and resets failed logins. All of the user's tokens are invalid on every replica when
    /// this returns.
    pub async fn set_user_password(
        &self,
        caller: &Caller,
        request: SetUserPassword,
        call: &CallContext,
    ) -> Result<UserRecord, ManagementError> {
        let (user, tenant) = self.managed_user(caller, &request.id).await?;
        let policy = self.parts.management.policy_of(&tenant)?;
        let mut fields = FieldValidator::new("");
        check_password(&mut fields, &request.password, &policy, &user.email);
        fields.finish()?;
        grants::check(caller, &policy, PriorState::Nothing, &user)?;
        let hash = self.hash(request.password, call).await?;
        let entry = self
            .parts
            .management
            .audit_entry(caller, AuditAction::UserSetPassword, call)
            .for_tenant(tenant.id)
            .on_target(&user.id);
        let rule = Box::new(|old: &UserRecord| {
            grants::check(caller, &policy, PriorState::Nothing, old)?;
            Ok(UserRecord { generation: old.generation + 1, ..old.clone() })
        });
        let written = self.parts.store.change_user(user.id, rule, Some(hash), entry).await?;
        Ok(self.parts.management.wait_until_applied(written, call).await?.value)
    }

    /// Disables a user and ends all of the user's tokens; no replica accepts them when this returns. The tokens stay
    /// invalid: a user who is enabled again must log in again.
    pub async fn disable_user(
        &self,
        caller: &Caller,
        id: &str,
        call: &CallContext,
    ) -> Result<UserRecord, ManagementError> {
        let (user, tenant) = self.managed_user(caller, id).await?;
        let entry = self
            .parts
            .management
            .audit_entry(caller, AuditAction::UserDisable, call)
            .for_tenant(tenant.id)
            .on_target(&user.id);
        let policy = caller.principal().map(|_| self.parts.management.policy_of(&tenant)).transpose()?;
        let rule = Box::new(|old: &UserRecord| {
            let new = UserRecord { disabled: true, ..old.clone() };
            if let Some(policy) = policy.as_deref() {
                grants::check(caller, policy, PriorState::User(old), &new)?;
            }
            Ok(with_next_generation(old, new))
        });
        let written = self.parts.store.change_user(user.id, rule, None, entry).await?;
        Ok(self.parts.management.wait_until_applied(written, call).await?.value)
    }

    /// Returns a user that the caller can manage, and its tenant.
    pub(super) async fn managed_user(
        &self,
        caller: &Caller,
        id: &str,
    ) -> Result<(UserRecord, TenantRecord), ManagementError> {
        if let Some(own) = caller.principal() {
            self.parts.management.key_manager(own)?;
        }
        let not_found = || self.parts.management.not_found(ObjectType::User, id);
        let found = self.parts.store.user(id.parse().map_err(|_| not_found())?).await?;
        let own = |user: &UserRecord| caller.principal().is_none_or(|p| p.tenant.id == user.tenant);
        let user = found.filter(own).ok_or_else(not_found)?;
        let tenant = self.shared().store.tenant(&TenantRef::Id(user.tenant)).await?;
        // The tenant was deleted, and the user is not erased yet.
        let tenant = tenant.ok_or_else(not_found)?;
        if let Some(own) = caller.principal()
            && !reach::reaches(own, &user, &*self.parts.management.policy_of(&tenant)?)
        {
            return Err(not_found().into());
        }
        Ok((user, tenant))
    }

    async fn hash(
        &self,
        password: PlainPassword,
        call: &CallContext,
    ) -> Result<PasswordHash, ManagementError> {
        let salt = password::salt(&mut (self.shared().random)());
        self.run_with_password(call, move || password::hash(&password, &salt)).await
    }
}

/// Returns the changed user, with the next generation if the change ends tokens: any change but enabling.
fn with_next_generation(old: &UserRecord, new: UserRecord) -> UserRecord {
    let same = new.role == old.role && new.bindings == old.bindings && new.environment == old.environment;
    let ends = !same || (new.disabled && !old.disabled);
    UserRecord { generation: old.generation + u64::from(ends), ..new }
}

fn role(fields: &mut FieldValidator<'_>, field: &str, name: &str, policy: &Policy) {
    if !policy.roles.contains_key(name) {
        let mut known: Vec<&str> = policy.roles.keys().map(|name| &**name).collect();
        known.sort_unstable();
        fields.reject(field, not_one_of(name, known));
    }
}

/// Returns the environment that a user is confined to; `None` if the name is empty.
fn environment(
    fields: &mut FieldValidator<'_>,
    field: &str,
    name: &str,
    policy: &Policy,
) -> Option<Box<str>> {
    if !name.is_empty() && !policy.environments.iter().any(|e| **e == *name) {
        let known = policy.environments.iter().map(|name| &**name);
        fields.reject(field, format!("{} (empty: all environments)", not_one_of(name, known)));
    }
    (!name.is_empty()).then(|| name.into())
}

fn check_password(fields: &mut FieldValidator<'_>, password: &PlainPassword, policy: &Policy, email: &str) {
    let checked: Result<(), WeakPassword> = requirements::check(password, policy.min_password_length, email);
    if let Err(weakness) = checked {
        fields.reject("password", weakness.to_string());
    }
}
