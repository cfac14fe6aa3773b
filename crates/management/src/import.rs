//! Taking keys over from another system, by value or by hash: all of them or none.

use latchkey_core::kind::Kind;
use latchkey_core::policy::Policy;
use latchkey_core::record::{KeyRecord, TenantRecord};
use latchkey_core::secret::{KeyHash, PlainKey};
use latchkey_core::time::Timestamp;
use latchkey_core::trouble::{Failure, Refusal, Violation};

use super::draft::Draft;
use super::fields::Fields;
use super::keys::granted;
use super::{CallContext, Caller, CreateKey, Registrar};
use crate::ports::{Made, NewKey};

/// What is known of a key from elsewhere.
#[derive(Clone, Debug)]
pub enum ImportSecret {
    /// Its whole value; only the hash is kept, unless its kind can be read again.
    Value(PlainKey),
    /// SHA-256 of the whole value.
    Hash(Vec<u8>),
}

/// One key to take over.
#[derive(Clone, Debug)]
pub struct ImportKey {
    /// Its value or hash; none is a violation.
    pub secret: Option<ImportSecret>,
    /// Everything else, as for a new key.
    pub key: CreateKey,
    /// When it was made elsewhere; none: now.
    pub created: Option<Timestamp>,
}

/// Keys to take over.
#[derive(Clone, Debug)]
pub struct ImportKeys {
    /// By id or slug; empty: the caller's own.
    pub tenant: String,
    /// At most 1,000.
    pub keys: Vec<ImportKey>,
}

const MOST: usize = 1_000;

impl Registrar {
    /// Takes keys over. They work everywhere when this returns.
    pub async fn import_keys(
        &self,
        by: &Caller,
        ask: ImportKeys,
        call: &CallContext,
    ) -> Result<Vec<KeyRecord>, Failure> {
        let tenant = self.managed_tenant(by, &ask.tenant).await?;
        let policy = self.policy_of(&tenant)?;
        if !(1..=MOST).contains(&ask.keys.len()) {
            return Err(
                Refusal::field("keys", format!("must be 1 to 1,000, and are {}", ask.keys.len())).into()
            );
        }
        let mut wrong: Vec<Violation> = Vec::new();
        let mut records = Vec::with_capacity(ask.keys.len());
        for (n, key) in ask.keys.into_iter().enumerate() {
            match self.import(by, (&tenant, &policy), (n, key))? {
                Ok(record) => records.push(NewKey { record, idempotency: None }),
                Err(violations) => wrong.extend(violations),
            }
        }
        if !wrong.is_empty() {
            return Err(Refusal::Invalid(wrong).into());
        }
        let entry = self.entry(by, "key.import", call).of(tenant.id).to(&tenant.slug);
        let entry = entry.with("keys", records.len().to_string());
        let made = self.parts.ledger.create_keys(records, entry).await?;
        let key = |made| match made {
            Made::New(key) | Made::Before(key) => key,
        };
        Ok(self.spread(made, call).await?.value.into_iter().map(key).collect())
    }

    /// One key, or what is wrong with it.
    fn import(
        &self,
        by: &Caller,
        (tenant, policy): (&TenantRecord, &Policy),
        (n, mut key): (usize, ImportKey),
    ) -> Result<Result<KeyRecord, Vec<Violation>>, Failure> {
        let (path, inner) = (format!("keys[{n}]."), format!("keys[{n}].key."));
        let mut outer = Fields::within(&path);
        if let Some(ImportSecret::Value(value)) = &key.secret {
            form(policy, value, &mut key.key, &mut outer);
        }
        let mut fields = Fields::within(&inner);
        if !key.key.idempotency_key.is_empty() {
            fields.wrong("idempotency_key", "has no meaning here: a key that exists already is refused");
        }
        if !key.key.tenant.is_empty()
            && *key.key.tenant != *tenant.slug
            && key.key.tenant != tenant.id.to_string()
        {
            fields.wrong("tenant", "must be empty, or the tenant that the keys are taken over for");
        }
        let mut random = (self.parts.random)();
        let desk = self.desk(policy, tenant, by);
        let draft = desk.draft(&key.key, &mut fields, &mut random);
        let hash = secret(key.secret.as_ref(), draft.as_ref(), &mut outer);
        if key.created.is_some_and(|at| at > desk.now) {
            outer.wrong("create_time", "must not be in the future");
        }
        let mut wrong = outer.into_violations();
        wrong.extend(fields.into_violations());
        let (Some(draft), Some(hash), true) = (draft, hash, wrong.is_empty()) else { return Ok(Err(wrong)) };
        let (mut record, kind) = granted(draft, by, policy)?;
        let prefix = kind.prefixes.of(&record.environment).unwrap_or_default().to_owned();
        match key.secret {
            Some(ImportSecret::Value(value)) => {
                self.value(&mut record, kind, (&value, &prefix), &mut random)?;
            }
            Some(ImportSecret::Hash(_)) | None => (record.hash, record.prefix) = (hash, prefix.into()),
        }
        record.created = key.created.unwrap_or(record.created);
        Ok(Ok(record))
    }
}

/// The hash of what is taken over.
fn secret(
    secret: Option<&ImportSecret>,
    draft: Option<&Draft<'_>>,
    fields: &mut Fields<'_>,
) -> Option<KeyHash> {
    match secret {
        None => fields.wrong("secret", "a value or its SHA-256 is needed"),
        Some(ImportSecret::Value(value)) => return Some(value.hash()),
        Some(ImportSecret::Hash(_)) if draft.is_some_and(|d| d.kind.retrievable) => {
            fields.wrong("sha256", "a key of this kind can be read again: its value is needed");
        }
        Some(ImportSecret::Hash(hash)) => match <[u8; 32]>::try_from(hash.as_slice()) {
            Ok(hash) => return Some(KeyHash(hash)),
            Err(_) => fields.wrong("sha256", format!("must be 32 bytes, and is {}", hash.len())),
        },
    }
    None
}

/// A value tells its kind and environment; it must not contradict what was said of them, and one that no
/// kind's form fits could never pass.
fn form(policy: &Policy, value: &PlainKey, ask: &mut CreateKey, fields: &mut Fields<'_>) {
    let fits = |kind: &&Kind| kind.fits(value.reveal()) && (ask.kind.is_empty() || *kind.name == *ask.kind);
    let Some(kind) = policy.kinds.iter().find(fits) else {
        let text = "has the form of no kind that the profile (and this request) names; declare one for it";
        return fields.wrong("value", text);
    };
    ask.kind = kind.name.to_string();
    let of = |e: &&str| kind.prefixes.of(e).is_some_and(|p| value.reveal().starts_with(p));
    let latchkey_core::kind::Prefixes::Each(_) = kind.prefixes else { return };
    let longest = |e: &&str| kind.prefixes.of(e).map_or(0, str::len);
    if let Some(environment) = policy.environments.iter().map(|e| &**e).filter(of).max_by_key(longest) {
        if ask.environment.is_empty() {
            ask.environment = environment.to_owned();
        } else if ask.environment != environment {
            fields.wrong("value", format!("is a {environment} key by its prefix"));
        }
    }
}
