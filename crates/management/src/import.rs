//! Import of keys from another system, by value or by hash: all of them or none.

use latchkey_core::error::{FieldViolation, ManagementError, RequestError};
use latchkey_core::key_kind::KeyKind;
use latchkey_core::policy::Policy;
use latchkey_core::record::{KeyRecord, TenantRecord};
use latchkey_core::secret::{KeyHash, PlainKey};
use latchkey_core::time::Timestamp;

use super::field_validator::FieldValidator;
use super::key_builder::{KeyBuilder, KeyDraft};
use super::{CallContext, Caller, CreateKey, ManagementService};
use crate::ports::{Created, NewKey};

/// Secret of an imported key.
#[derive(Clone, Debug)]
pub enum ImportSecret {
    /// The whole value. Only its hash is stored, unless the kind is retrievable.
    Value(PlainKey),
    /// SHA-256 of the whole value.
    Hash(Vec<u8>),
}

/// Key to import.
#[derive(Clone, Debug)]
pub struct ImportKey {
    /// Value or hash; `None` is a violation.
    pub secret: Option<ImportSecret>,
    /// All other fields, as for a new key.
    pub key: CreateKey,
    /// Time of creation in the other system; `None` for now.
    pub created: Option<Timestamp>,
}

/// Keys to import.
#[derive(Clone, Debug)]
pub struct ImportKeys {
    /// Tenant by id or slug; empty for the caller's own.
    pub tenant: String,
    /// At most 1,000 keys.
    pub keys: Vec<ImportKey>,
}

const MAX_KEYS: usize = 1_000;

impl ManagementService {
    /// Imports keys. The new keys are valid on every replica when this returns.
    pub async fn import_keys(
        &self,
        caller: &Caller,
        request: ImportKeys,
        call: &CallContext,
    ) -> Result<Vec<KeyRecord>, ManagementError> {
        let tenant = self.tenant_to_add_to(caller, &request.tenant).await?;
        let policy = self.policy_of(&tenant)?;
        if !(1..=MAX_KEYS).contains(&request.keys.len()) {
            return Err(RequestError::field(
                "keys",
                format!("must be 1 to 1,000, and are {}", request.keys.len()),
            )
            .into());
        }
        let mut all_violations: Vec<FieldViolation> = Vec::new();
        let mut records = Vec::with_capacity(request.keys.len());
        for (n, key) in request.keys.into_iter().enumerate() {
            match self.import(caller, &tenant, &policy, n, key)? {
                Ok(record) => records.push(NewKey { record, idempotency: None, imported: true }),
                Err(violations) => all_violations.extend(violations),
            }
        }
        if !all_violations.is_empty() {
            return Err(RequestError::InvalidArgument(all_violations).into());
        }
        let entry =
            self.audit_entry(caller, "key.import", call).for_tenant(tenant.id).on_target(&tenant.slug);
        let entry = entry.with_detail("keys", records.len().to_string());
        let created = self.parts.store.create_keys(records, entry).await?;
        let key = |created| match created {
            Created::New(key) | Created::Existing(key) => key,
        };
        Ok(self.wait_until_applied(created, call).await?.value.into_iter().map(key).collect())
    }

    /// Returns the record of one key, or its violations.
    fn import(
        &self,
        caller: &Caller,
        tenant: &TenantRecord,
        policy: &Policy,
        n: usize,
        mut key: ImportKey,
    ) -> Result<Result<KeyRecord, Vec<FieldViolation>>, ManagementError> {
        let (path, inner) = (format!("keys[{n}]."), format!("keys[{n}].key."));
        let mut outer = FieldValidator::new(&path);
        if let Some(ImportSecret::Value(value)) = &key.secret {
            infer_kind(policy, value, &mut key.key, &mut outer);
        }
        let mut fields = FieldValidator::new(&inner);
        if !key.key.idempotency_key.is_empty() {
            fields.reject("idempotency_key", "is not used by imports: a key that exists already is rejected");
        }
        if !key.key.tenant.is_empty()
            && *key.key.tenant != *tenant.slug
            && key.key.tenant.parse() != Ok(tenant.id)
        {
            fields.reject("tenant", "must be empty, or the tenant of the import");
        }
        let mut random = (self.parts.random)();
        let builder = self.key_builder(policy, tenant, caller);
        let builder = KeyBuilder { created: key.created.unwrap_or(builder.now), ..builder };
        let draft = builder.build(&key.key, &mut fields, &mut random);
        let hash = secret(key.secret.as_ref(), draft.as_ref(), &mut outer);
        if key.created.is_some_and(|at| at > builder.now) {
            outer.reject("create_time", "must not be in the future");
        }
        let mut all_violations = outer.into_violations();
        all_violations.extend(fields.into_violations());
        let (Some(draft), Some(hash), true) = (draft, hash, all_violations.is_empty()) else {
            return Ok(Err(all_violations));
        };
        let (mut record, kind) = self.granted_record(draft, caller, tenant, policy)?;
        let prefix = kind.prefixes.of(&record.environment).unwrap_or_default().to_owned();
        match key.secret {
            Some(ImportSecret::Value(value)) => {
                self.set_value(&mut record, kind, &value, &prefix, &mut random)?;
            }
            Some(ImportSecret::Hash(_)) | None => (record.hash, record.prefix) = (hash, prefix.into()),
        }
        record.created = key.created.unwrap_or(record.created);
        Ok(Ok(record))
    }
}

/// Returns the hash of the imported secret.
fn secret(
    secret: Option<&ImportSecret>,
    draft: Option<&KeyDraft<'_>>,
    fields: &mut FieldValidator<'_>,
) -> Option<KeyHash> {
    match secret {
        None => fields.reject("secret", "a value or its SHA-256 is needed"),
        Some(ImportSecret::Value(value)) => return Some(value.hash()),
        Some(ImportSecret::Hash(_)) if draft.is_some_and(|d| d.kind.retrievable) => {
            fields.reject("sha256", "keys of this kind are retrievable: the value is needed");
        }
        Some(ImportSecret::Hash(hash)) => match <[u8; 32]>::try_from(hash.as_slice()) {
            Ok(hash) => return Some(KeyHash(hash)),
            Err(_) => fields.reject("sha256", format!("must be 32 bytes, and is {}", hash.len())),
        },
    }
    None
}

/// Infers kind and environment from the value. The value must not contradict what the request says of them, and it
/// must match the format of a kind: otherwise no Check could ever accept it.
fn infer_kind(policy: &Policy, value: &PlainKey, request: &mut CreateKey, fields: &mut FieldValidator<'_>) {
    let fits = |kind: &&KeyKind| {
        kind.matches_format(value.reveal()) && (request.kind.is_empty() || *kind.name == *request.kind)
    };
    let Some(kind) = policy.kinds.iter().find(fits) else {
        let text = "matches no kind of the profile (or not the requested kind); add a kind with this format to the profile";
        return fields.reject("value", text);
    };
    request.kind = kind.name.to_string();
    let of = |e: &&str| kind.prefixes.of(e).is_some_and(|p| value.reveal().starts_with(p));
    let latchkey_core::key_kind::Prefixes::PerEnvironment(_) = kind.prefixes else { return };
    let longest = |e: &&str| kind.prefixes.of(e).map_or(0, str::len);
    if let Some(environment) = policy.environments.iter().map(|e| &**e).filter(of).max_by_key(longest) {
        if request.environment.is_empty() {
            request.environment = environment.to_owned();
        } else if request.environment != environment {
            fields.reject("value", format!("is a {environment} key by its prefix"));
        }
    }
}
