//! Users of a tenant: operators and the tenant's key managers make them, set their passwords and switch them
//! off. Making a user, or choosing a user's password, is handing on all that the user may do.

mod update;

use std::collections::BTreeMap;

pub use self::update::UpdateUser;

use latchkey_core::id::UserId;
use latchkey_core::policy::Policy;
use latchkey_core::principal::Principal;
use latchkey_core::record::{TenantRecord, TenantRef};
use latchkey_core::trouble::{Failure, Refusal, Trouble};
use latchkey_core::user::{UserRecord, canonical_email};

use super::draft::DEFAULT_ENVIRONMENT;
use super::encoding::Encoder;
use super::fields::Fields;
use super::page::{self, Page};
use super::tokens::TokenDesk;
use super::{CallContext, Caller};
use crate::password::choice::{self, Weakness};
use crate::password::{self, PasswordHash, PlainPassword};
use crate::ports::tokens::work;

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

impl TokenDesk {
    /// Makes a user.
    pub async fn create_user(
        &self,
        by: &Caller,
        ask: CreateUser,
        call: &CallContext,
    ) -> Result<UserRecord, Failure> {
        let tenant = self.parts.registrar.managed_tenant(by, &ask.tenant).await?;
        let policy = self.parts.registrar.policy_of(&tenant)?;
        let mut fields = Fields::within("");
        let email = canonical_email(&ask.email);
        if email.is_none() {
            fields.wrong("email", "must be an e-mail address");
        }
        role(&mut fields, ("role", &ask.role), &policy);
        fields.labels("bindings", &ask.bindings);
        let environment = environment(&mut fields, ("environment", &ask.environment), &policy);
        let email = email.unwrap_or_default();
        weak(&mut fields, &ask.password, (&policy, &email));
        fields.finish()?;
        let now = self.now();
        let user = UserRecord {
            id: UserId::new(now, &mut (self.shared().random)()),
            tenant: tenant.id,
            email,
            role: ask.role.into(),
            bindings: ask.bindings,
            environment,
            disabled: false,
            generation: 1,
            created: now,
            revision: 0,
        };
        covers(by, &policy, &user)?;
        let hash = self.hash(ask.password).await?;
        let entry = self.parts.registrar.entry(by, "user.create", call).of(tenant.id).to(&user.id);
        let entry = entry.with("role", &*user.role);
        let written = self.parts.ledger.create_user(user, hash, entry).await?;
        Ok(self.parts.registrar.spread(written, call).await?.value)
    }

    /// Lists users, newest first.
    pub async fn list_users(
        &self,
        by: &Caller,
        ask: ListUsers,
        _call: &CallContext,
    ) -> Result<Page<UserRecord>, Failure> {
        let tenant = self.parts.registrar.managed_tenant(by, &ask.tenant).await?;
        let list = Encoder::new("latchkey.list_users.v1").bytes(tenant.id.0.as_bytes());
        let size = page::size(ask.page_size)?;
        let before = page::cursor(&ask.page_token, &list)?.map(UserId);
        let users = self.parts.ledger.users(tenant.id, before, size + 1).await?;
        Ok(page::page(users, size, &list, |user| user.id.0))
    }

    /// Sets a user's password. Every token that the user had is over when this returns, and failed attempts are
    /// forgiven.
    pub async fn set_user_password(
        &self,
        by: &Caller,
        ask: SetUserPassword,
        call: &CallContext,
    ) -> Result<UserRecord, Failure> {
        let (user, tenant) = self.managed_user(by, &ask.id).await?;
        let policy = self.parts.registrar.policy_of(&tenant)?;
        let mut fields = Fields::within("");
        weak(&mut fields, &ask.password, (&policy, &user.email));
        fields.finish()?;
        covers(by, &policy, &user)?;
        let hash = self.hash(ask.password).await?;
        let entry = self.parts.registrar.entry(by, "user.set_password", call).of(tenant.id).to(&user.id);
        let rule = Box::new(|old: &UserRecord| {
            covers(by, &policy, old)?;
            Ok(UserRecord { generation: old.generation + 1, ..old.clone() })
        });
        let written = self.parts.ledger.change_user(user.id, (rule, Some(hash)), entry).await?;
        Ok(self.parts.registrar.spread(written, call).await?.value)
    }

    /// Switches a user off, with every token that the user has, everywhere when this returns; for good, since
    /// whoever is switched on again signs in anew.
    pub async fn disable_user(
        &self,
        by: &Caller,
        id: &str,
        call: &CallContext,
    ) -> Result<UserRecord, Failure> {
        let (user, tenant) = self.managed_user(by, id).await?;
        let entry = self.parts.registrar.entry(by, "user.disable", call).of(tenant.id).to(&user.id);
        let rule =
            Box::new(|old: &UserRecord| Ok(outdated(old, UserRecord { disabled: true, ..old.clone() })));
        let written = self.parts.ledger.change_user(user.id, (rule, None), entry).await?;
        Ok(self.parts.registrar.spread(written, call).await?.value)
    }

    /// A user that the caller may manage, and the tenant.
    async fn managed_user(&self, by: &Caller, id: &str) -> Result<(UserRecord, TenantRecord), Failure> {
        if let Some(own) = by.principal() {
            self.parts.registrar.key_manager(own)?;
        }
        let id: UserId = id.parse().map_err(|_| Refusal::NotFound("user"))?;
        let found = self.parts.ledger.user(id).await?;
        let own = |user: &UserRecord| by.principal().is_none_or(|p| p.tenant.id == user.tenant);
        let user = found.filter(own).ok_or(Refusal::NotFound("user"))?;
        let tenant = self.shared().ledger.tenant(&TenantRef::Id(user.tenant)).await?;
        let tenant = tenant.ok_or_else(|| Trouble::Fault(format!("{} has no tenant", user.id)))?;
        Ok((user, tenant))
    }

    async fn hash(&self, password: PlainPassword) -> Result<PasswordHash, Failure> {
        let salt = password::salt(&mut (self.shared().random)());
        work(&*self.parts.workers, move || password::hash(&password, &salt)).await
    }
}

/// A changed user, a generation on where what changed ends tokens: anything but being switched on again.
fn outdated(old: &UserRecord, new: UserRecord) -> UserRecord {
    let same = new.role == old.role && new.bindings == old.bindings && new.environment == old.environment;
    let ends = !same || (new.disabled && !old.disabled);
    UserRecord { generation: old.generation + u64::from(ends), ..new }
}

fn role(fields: &mut Fields<'_>, (field, name): (&str, &str), policy: &Policy) {
    if !policy.roles.contains_key(name) {
        fields.wrong(field, "the profile has no such role");
    }
}

/// The environment that a user is confined to, where one is named.
fn environment(fields: &mut Fields<'_>, (field, name): (&str, &str), policy: &Policy) -> Option<Box<str>> {
    if !name.is_empty() && !policy.environments.iter().any(|e| **e == *name) {
        fields.wrong(field, format!("must be one of {}, or empty", policy.environments.join(", ")));
    }
    (!name.is_empty()).then(|| name.into())
}

fn weak(fields: &mut Fields<'_>, password: &PlainPassword, (policy, email): (&Policy, &str)) {
    let judged: Result<(), Weakness> = choice::judge(password, policy.password_length, email);
    if let Err(weakness) = judged {
        fields.wrong("password", weakness.to_string());
    }
}

/// Whether a caller has all that a user is given. A user has no end, no networks and no limits, and is of every
/// environment or confined to one: a caller that is confined by any of these can't hand on to be free of it.
fn covers(by: &Caller, policy: &Policy, user: &UserRecord) -> Result<(), Refusal> {
    let Some(who) = by.principal() else { return Ok(()) };
    let granted = policy.roles.get(&user.role).cloned().unwrap_or_default();
    let beyond = granted.without(&who.granted);
    if !beyond.is_empty() {
        let names: Vec<&str> = policy.scopes.names(&beyond).collect();
        return Err(Refusal::Forbidden(format!("the caller lacks {}, and can't grant it", names.join(", "))));
    }
    if let Some((name, _)) = who
        .bindings()
        .iter()
        .find(|(name, value)| user.bindings.get(*name).map(String::as_str) != Some(*value))
    {
        return Err(Refusal::Forbidden(format!("the caller is bound to one {name}")));
    }
    confined(who, user, policy)
        .map_or(Ok(()), |how| Err(Refusal::Forbidden(format!("the caller {how}, and a user is not"))))
}

/// A key of the default environment speaks for its whole tenant, as far as users are concerned: each key is of
/// some environment, and somebody must be able to make users for all of them.
fn confined(who: &Principal, user: &UserRecord, policy: &Policy) -> Option<&'static str> {
    let apart = |own: &str| {
        let whole = policy.environments.len() == 1 || (who.user().is_none() && own == DEFAULT_ENVIRONMENT);
        !whole && user.environment.as_deref() != Some(own)
    };
    let elsewhere = who.environment().is_some_and(apart);
    let ends = who.key().is_some_and(|key| key.expires.is_some());
    let limited = who.limits().is_some_and(|limits| !limits.0.is_empty());
    [
        (elsewhere, "is confined to an environment"),
        (ends, "expires"),
        (!who.networks().is_empty(), "is confined to networks"),
        (limited, "has limits of its own"),
    ]
    .into_iter()
    .find_map(|(confined, how)| confined.then_some(how))
}
