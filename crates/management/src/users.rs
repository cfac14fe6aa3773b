//! Users of a tenant: operators and the tenant's key managers make them, set their passwords and switch them
//! off. Making a user, or choosing a user's password, is handing on all that the user may do.

mod update;

use std::collections::BTreeMap;

pub use self::update::UpdateUser;

use latchkey_core::error::{ManagementError, RequestError, SystemError};
use latchkey_core::id::UserId;
use latchkey_core::policy::Policy;
use latchkey_core::principal::Principal;
use latchkey_core::record::{TenantRecord, TenantRef};
use latchkey_core::user::{UserRecord, canonical_email};

use super::encoding::Encoder;
use super::field_validator::FieldValidator;
use super::key_builder::DEFAULT_ENVIRONMENT;
use super::page::{self, Page};
use super::tokens::TokenIssuer;
use super::{CallContext, Caller};
use crate::password::requirements::{self, WeakPassword};
use crate::password::{self, PasswordHash, PlainPassword};
use crate::ports::tokens::run_blocking;

/// A wish for a user; the fields are those of `latchkey.v1.CreateUserRequest`.
#[derive(Clone, Debug)]
pub struct CreateUser {
    /// By id or slug; empty: the caller's own.
    pub tenant: String,
    /// Unique in the tenant.
    pub email: String,
    /// As the profile and NIST SP 800-63B-4 have it.
    pub password: PlainPassword,
    /// One of the profile's roles.
    pub role: String,
    /// What the user is confined to.
    pub bindings: BTreeMap<String, String>,
    /// The one environment that the user is confined to; empty: every one.
    pub environment: String,
}

/// Which users to list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListUsers {
    /// By id or slug; empty: the caller's own.
    pub tenant: String,
    /// 0 for 100, at most 1,000.
    pub page_size: i32,
    /// From the page before.
    pub page_token: String,
}

/// Whose password to set.
#[derive(Clone, Debug)]
pub struct SetUserPassword {
    /// Whose.
    pub id: String,
    /// To what.
    pub password: PlainPassword,
}

impl TokenIssuer {
    /// Makes a user.
    pub async fn create_user(
        &self,
        caller: &Caller,
        request: CreateUser,
        call: &CallContext,
    ) -> Result<UserRecord, ManagementError> {
        let tenant = self.parts.management.managed_tenant(caller, &request.tenant).await?;
        let policy = self.parts.management.policy_of(&tenant)?;
        let mut fields = FieldValidator::new("");
        let email = canonical_email(&request.email);
        if email.is_none() {
            fields.reject("email", "must be an e-mail address");
        }
        role(&mut fields, ("role", &request.role), &policy);
        fields.labels("bindings", &request.bindings);
        let environment = environment(&mut fields, ("environment", &request.environment), &policy);
        let email = email.unwrap_or_default();
        check_password(&mut fields, &request.password, (&policy, &email));
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
        check_covers(caller, &policy, &user)?;
        let hash = self.hash(request.password).await?;
        let entry = self
            .parts
            .management
            .audit_entry(caller, "user.create", call)
            .for_tenant(tenant.id)
            .on_target(&user.id);
        let entry = entry.with_detail("role", &*user.role);
        let written = self.parts.store.create_user(user, hash, entry).await?;
        Ok(self.parts.management.wait_until_applied(written, call).await?.value)
    }

    /// Lists users, newest first.
    pub async fn list_users(
        &self,
        caller: &Caller,
        request: ListUsers,
        _call: &CallContext,
    ) -> Result<Page<UserRecord>, ManagementError> {
        let tenant = self.parts.management.managed_tenant(caller, &request.tenant).await?;
        let list = Encoder::new("latchkey.list_users.v1").bytes(tenant.id.0.as_bytes());
        let size = page::size(request.page_size)?;
        let before = page::cursor(&request.page_token, &list)?.map(UserId);
        let users = self.parts.store.users(tenant.id, before, size + 1).await?;
        Ok(page::page(users, size, &list, |user| user.id.0))
    }

    /// Sets a user's password. Every token that the user had is over when this returns, and failed attempts are
    /// forgiven.
    pub async fn set_user_password(
        &self,
        caller: &Caller,
        request: SetUserPassword,
        call: &CallContext,
    ) -> Result<UserRecord, ManagementError> {
        let (user, tenant) = self.managed_user(caller, &request.id).await?;
        let policy = self.parts.management.policy_of(&tenant)?;
        let mut fields = FieldValidator::new("");
        check_password(&mut fields, &request.password, (&policy, &user.email));
        fields.finish()?;
        check_covers(caller, &policy, &user)?;
        let hash = self.hash(request.password).await?;
        let entry = self
            .parts
            .management
            .audit_entry(caller, "user.set_password", call)
            .for_tenant(tenant.id)
            .on_target(&user.id);
        let rule = Box::new(|old: &UserRecord| {
            check_covers(caller, &policy, old)?;
            Ok(UserRecord { generation: old.generation + 1, ..old.clone() })
        });
        let written = self.parts.store.change_user(user.id, (rule, Some(hash)), entry).await?;
        Ok(self.parts.management.wait_until_applied(written, call).await?.value)
    }

    /// Switches a user off, with every token that the user has, everywhere when this returns; for good, since
    /// whoever is switched on again signs in anew.
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
            .audit_entry(caller, "user.disable", call)
            .for_tenant(tenant.id)
            .on_target(&user.id);
        let rule = Box::new(|old: &UserRecord| {
            Ok(with_next_generation(old, UserRecord { disabled: true, ..old.clone() }))
        });
        let written = self.parts.store.change_user(user.id, (rule, None), entry).await?;
        Ok(self.parts.management.wait_until_applied(written, call).await?.value)
    }

    /// A user that the caller may manage, and the tenant.
    async fn managed_user(
        &self,
        caller: &Caller,
        id: &str,
    ) -> Result<(UserRecord, TenantRecord), ManagementError> {
        if let Some(own) = caller.principal() {
            self.parts.management.key_manager(own)?;
        }
        let id: UserId = id.parse().map_err(|_| RequestError::NotFound("user"))?;
        let found = self.parts.store.user(id).await?;
        let own = |user: &UserRecord| caller.principal().is_none_or(|p| p.tenant.id == user.tenant);
        let user = found.filter(own).ok_or(RequestError::NotFound("user"))?;
        let tenant = self.shared().store.tenant(&TenantRef::Id(user.tenant)).await?;
        let tenant = tenant.ok_or_else(|| SystemError::Internal(format!("{} has no tenant", user.id)))?;
        Ok((user, tenant))
    }

    async fn hash(&self, password: PlainPassword) -> Result<PasswordHash, ManagementError> {
        let salt = password::salt(&mut (self.shared().random)());
        run_blocking(&*self.parts.blocking, move || password::hash(&password, &salt)).await
    }
}

/// A changed user, a generation on where what changed ends tokens: anything but being switched on again.
fn with_next_generation(old: &UserRecord, new: UserRecord) -> UserRecord {
    let same = new.role == old.role && new.bindings == old.bindings && new.environment == old.environment;
    let ends = !same || (new.disabled && !old.disabled);
    UserRecord { generation: old.generation + u64::from(ends), ..new }
}

fn role(fields: &mut FieldValidator<'_>, (field, name): (&str, &str), policy: &Policy) {
    if !policy.roles.contains_key(name) {
        fields.reject(field, "the profile has no such role");
    }
}

/// The environment that a user is confined to, where one is named.
fn environment(
    fields: &mut FieldValidator<'_>,
    (field, name): (&str, &str),
    policy: &Policy,
) -> Option<Box<str>> {
    if !name.is_empty() && !policy.environments.iter().any(|e| **e == *name) {
        fields.reject(field, format!("must be one of {}, or empty", policy.environments.join(", ")));
    }
    (!name.is_empty()).then(|| name.into())
}

fn check_password(
    fields: &mut FieldValidator<'_>,
    password: &PlainPassword,
    (policy, email): (&Policy, &str),
) {
    let judged: Result<(), WeakPassword> = requirements::check(password, policy.min_password_length, email);
    if let Err(weakness) = judged {
        fields.reject("password", weakness.to_string());
    }
}

/// Whether a caller has all that a user is given. A user has no end, no networks and no limits, and is of every
/// environment or confined to one: a caller that is confined by any of these can't hand on to be free of it.
fn check_covers(caller: &Caller, policy: &Policy, user: &UserRecord) -> Result<(), RequestError> {
    let Some(principal) = caller.principal() else { return Ok(()) };
    let granted = policy.roles.get(&user.role).cloned().unwrap_or_default();
    let beyond = granted.difference(&principal.granted);
    if !beyond.is_empty() {
        let names: Vec<&str> = policy.scopes.names(&beyond).collect();
        return Err(RequestError::PermissionDenied(format!(
            "the caller lacks {}, and can't grant it",
            names.join(", ")
        )));
    }
    if let Some((name, _)) = principal
        .bindings()
        .iter()
        .find(|(name, value)| user.bindings.get(*name).map(String::as_str) != Some(*value))
    {
        return Err(RequestError::PermissionDenied(format!("the caller is bound to one {name}")));
    }
    confinement(principal, user, policy).map_or(Ok(()), |how| {
        Err(RequestError::PermissionDenied(format!("the caller {how}, and a user is not")))
    })
}

/// A key of the default environment speaks for its whole tenant, as far as users are concerned: each key is of
/// some environment, and somebody must be able to make users for all of them.
fn confinement(principal: &Principal, user: &UserRecord, policy: &Policy) -> Option<&'static str> {
    let apart = |own: &str| {
        let whole =
            policy.environments.len() == 1 || (principal.user().is_none() && own == DEFAULT_ENVIRONMENT);
        !whole && user.environment.as_deref() != Some(own)
    };
    let elsewhere = principal.environment().is_some_and(apart);
    let ends = principal.key().is_some_and(|key| key.expires.is_some());
    let limited = principal.limits().is_some_and(|limits| !limits.0.is_empty());
    [
        (elsewhere, "is confined to an environment"),
        (ends, "expires"),
        (!principal.networks().is_empty(), "is confined to networks"),
        (limited, "has limits of its own"),
    ]
    .into_iter()
    .find_map(|(confined, how)| confined.then_some(how))
}
