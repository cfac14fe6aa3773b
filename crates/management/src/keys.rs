//! Calls that create and read keys.

use latchkey_core::error::{ManagementError, RequestError, SystemError};
use latchkey_core::key_kind::KeyKind;
use latchkey_core::mint::mint;
use latchkey_core::policy::Policy;
use latchkey_core::record::{AlreadyRevoked, KeyRecord, TenantRecord};
use latchkey_core::secret::PlainKey;

use super::field_validator::FieldValidator;
use super::grants::Grants;
use super::key_builder::KeyBuilder;
use super::missing::ObjectType;
use super::{CallContext, Caller, CreateKey, ManagementService};
use crate::ports::{AuditAction, Created, NewKey};

/// Result of the creation of a key.
#[derive(Clone, Debug)]
pub struct CreatedKey {
    /// The key.
    pub key: KeyRecord,
    /// Value of the key; `None` if an earlier call with the same idempotency key created it.
    pub secret: Option<PlainKey>,
}

impl ManagementService {
    /// Creates a key. The key is valid on every replica when this returns.
    pub async fn create_key(
        &self,
        caller: &Caller,
        request: CreateKey,
        call: &CallContext,
    ) -> Result<CreatedKey, ManagementError> {
        let tenant = self.tenant_to_add_to(caller, &request.tenant).await?;
        let policy = self.policy_of(&tenant)?;
        let mut random = (self.parts.random)();
        let mut fields = FieldValidator::new("");
        let draft = self.key_builder(&policy, &tenant, caller).build(&request, &mut fields, &mut random);
        if let Some(kind) = draft.as_ref().map(|draft| draft.kind).filter(|kind| kind.imports.only) {
            fields.reject("kind", imported_only(kind, &policy));
        }
        fields.finish()?;
        let draft = draft.ok_or_else(|| RequestError::field("kind", "no key of this kind can be created"))?;
        let (mut record, kind) = self.granted_record(draft, caller, &tenant, &policy)?;
        let prefix = kind.prefixes.of(&record.environment).unwrap_or_default().to_owned();
        let secret = mint(kind, &prefix, &mut random);
        self.set_value(&mut record, kind, &secret, &prefix, &mut random)?;
        let idempotency = (!request.idempotency_key.is_empty())
            .then(|| (request.idempotency_name(caller), request.fingerprint()));
        let entry = self
            .audit_entry(caller, AuditAction::KeyCreate, call)
            .for_tenant(tenant.id)
            .on_target(&record.id);
        let entry = entry.with_new_key(&record);
        let mut created = self
            .parts
            .store
            .create_keys(vec![NewKey { record, idempotency, imported: false }], entry)
            .await?;
        // No replica has to learn of the key before the answer: none can have cached that its random value is unknown, and
        // each looks a value up that it has not cached.
        match created.value.pop() {
            Some(Created::New(key)) => {
                let key = with_scopes_as_requested(key, &request.scopes, &policy);
                Ok(CreatedKey { key, secret: Some(secret) })
            }
            Some(Created::Existing(key)) => {
                let key = with_scopes_as_requested(key, &request.scopes, &policy);
                Ok(CreatedKey { key, secret: None })
            }
            None => {
                Err(SystemError::Internal("the store returned no key for one that was created".into()).into())
            }
        }
    }

    /// Reads a key.
    pub async fn get_key(
        &self,
        caller: &Caller,
        id: &str,
        _call: &CallContext,
    ) -> Result<KeyRecord, ManagementError> {
        Ok(self.managed_key(caller, id).await?.0)
    }

    /// Returns a key that the caller can manage, and its tenant.
    pub(super) async fn managed_key(
        &self,
        caller: &Caller,
        id: &str,
    ) -> Result<(KeyRecord, TenantRecord), ManagementError> {
        if let Some(own) = caller.principal() {
            self.key_manager(own)?;
        }
        let not_found = || self.not_found(ObjectType::Key, id);
        let found = self.parts.store.key(id.parse().map_err(|_| not_found())?).await?;
        let own = |key: &KeyRecord| caller.principal().is_none_or(|p| p.tenant.id == key.tenant);
        let key = found.filter(own).ok_or_else(not_found)?;
        let tenant = self.parts.store.tenant(&latchkey_core::record::TenantRef::Id(key.tenant)).await?;
        // The tenant was deleted, and the key is not erased yet.
        let tenant = tenant.ok_or_else(not_found)?;
        if let Some(own) = caller.bounded_in(&tenant)
            && !Grants::of(own, &*self.policy_of(&tenant)?).reaches(&key)
        {
            return Err(not_found().into());
        }
        Ok((key, tenant))
    }

    pub(super) fn key_builder<'a>(
        &self,
        policy: &'a Policy,
        tenant: &TenantRecord,
        caller: &'a Caller,
    ) -> KeyBuilder<'a> {
        let now = self.parts.clock.now().wall;
        let caller_expires = caller.bounded_in(tenant).and_then(|own| own.key()).and_then(|key| key.expires);
        KeyBuilder {
            policy,
            tenant: tenant.id,
            now,
            earliest_expiry: now,
            created_by: &caller.subject,
            created: now,
            caller_expires,
            caller_bindings: caller.bindings(),
        }
    }

    /// Sets the value of a record: hash, prefix, hint, and the sealed value if the kind is retrievable.
    pub(super) fn set_value(
        &self,
        record: &mut KeyRecord,
        kind: &KeyKind,
        value: &PlainKey,
        prefix: &str,
        random: &mut dyn rand::Rng,
    ) -> Result<(), SystemError> {
        record.hash = value.hash();
        record.prefix = prefix.into();
        record.hint = value.hint().into();
        if kind.retrievable {
            let sealed = self.parts.sealer.seal(value.reveal().as_bytes(), &record.id.to_string(), random);
            record.sealed =
                Some(sealed.map_err(|_| SystemError::Internal("a value could not be encrypted".into()))?);
        }
        Ok(())
    }
}

/// Returns the key with its scopes in the order of the request that created it; scopes that it does not name follow.
fn with_scopes_as_requested(mut key: KeyRecord, requested: &[String], policy: &Policy) -> KeyRecord {
    let position = |scope: &str| {
        let found = policy.scopes.find(scope);
        requested.iter().position(|name| found.is_some() && policy.scopes.find(name) == found)
    };
    key.scopes.sort_by_key(|scope| position(scope).unwrap_or(usize::MAX));
    key
}

/// Returns why no key of a kind can be created, and what to do.
pub(super) fn imported_only(kind: &KeyKind, policy: &Policy) -> String {
    let others: Vec<&str> = policy.kinds.iter().filter(|k| !k.imports.only).map(|k| &*k.name).collect();
    let other = match others.as_slice() {
        [] => String::new(),
        others => format!("name another kind ({}), or ", others.join(", ")),
    };
    format!(
        "keys of the kind {:?} are imported and not created here: {other}give the kind a \"prefix\" and a \"secret\" in the profile",
        kind.name
    )
}

pub(super) fn already_revoked(error: AlreadyRevoked) -> RequestError {
    RequestError::FailedPrecondition(error.to_string())
}
