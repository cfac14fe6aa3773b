//! Import of keys from another system, by value or by hash: all of them or none. Every key is checked before one is
//! stored, and the findings about all of them are reported together.

mod digest;
mod findings;
mod prefix;
mod row;

use std::collections::{BTreeSet, HashMap};

use latchkey_core::error::{FieldViolation, ManagementError, RequestError};
use latchkey_core::imported_hash::ImportedHashes;
use latchkey_core::policy::Policy;
use latchkey_core::record::{KeyRecord, TenantRecord};
use latchkey_core::secret::{KeyHash, PlainKey};
use latchkey_core::time::Timestamp;

use self::findings::{Findings, Problem};
use super::{CallContext, Caller, CreateKey, ManagementService};
use crate::ports::{AuditAction, Created, ExistingHash, NewKey};

pub use self::findings::ImportFinding;

/// Secret of an imported key.
#[derive(Clone, Debug)]
pub enum ImportSecret {
    /// The whole value. Only its hash is stored, unless the kind is retrievable.
    Value(PlainKey),
    /// SHA-256 of the whole value.
    Sha256(Vec<u8>),
    /// Hash of the whole value, as the other system stored it.
    Hash(ImportedHash),
}

/// Hash as another system stored it, with the texts of the request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImportedHash {
    /// Name of the algorithm.
    pub algorithm: String,
    /// The hash in hexadecimal digits or in base64.
    pub digest: String,
    /// Name of the secret of an HMAC; empty if the kind has one alone.
    pub secret: String,
}

/// Key to import.
#[derive(Clone, Debug, Default)]
pub struct ImportKey {
    /// Value or hash; `None` is a violation.
    pub secret: Option<ImportSecret>,
    /// All other fields, as for a new key, except that the expiry can be past.
    pub key: CreateKey,
    /// Time of creation in the other system; `None` for now.
    pub created: Option<Timestamp>,
    /// True for a key that is disabled.
    pub disabled: bool,
    /// Beginning of the value, if it is known; empty otherwise.
    pub prefix: String,
    /// Last four characters of the value, if they are known; empty otherwise.
    pub hint: String,
    /// Violations that were found when the key's message was read.
    pub violations: Vec<FieldViolation>,
}

/// Keys to import.
#[derive(Clone, Debug)]
pub struct ImportKeys {
    /// Tenant by id or slug; empty for the caller's own.
    pub tenant: String,
    /// Keys, at most 1,000.
    pub keys: Vec<ImportKey>,
    /// True to check everything and to store nothing.
    pub validate_only: bool,
}

/// Result of an import.
#[derive(Clone, Debug, Default)]
pub struct ImportedKeys {
    /// Keys that were imported, in the order of the request; with `validate_only`, those without an error, as they would
    /// be imported.
    pub keys: Vec<KeyRecord>,
    /// Findings that do not prevent the import.
    pub warnings: Vec<ImportFinding>,
    /// Reasons why keys would not be imported; with `validate_only` alone.
    pub errors: Vec<ImportFinding>,
}

const MAX_KEYS: usize = 1_000;

/// Circumstances that all keys of an import share.
struct ImportContext<'a> {
    caller: &'a Caller,
    tenant: &'a TenantRecord,
    policy: &'a Policy,
    patterns: prefix::Patterns<'a>,
    now: Timestamp,
}

/// Key without an error of its own.
struct ImportRow {
    /// Index in the request.
    index: usize,
    record: KeyRecord,
    /// Other hashes by which a key of the same value can exist, if the value is known.
    other_hashes: ImportedHashes,
}

impl ImportRow {
    fn hashes(&self) -> impl Iterator<Item = KeyHash> {
        std::iter::once(self.record.hash).chain(self.other_hashes.iter().copied())
    }
}

impl ManagementService {
    /// Imports keys. The new keys are valid on every replica when this returns.
    pub async fn import_keys(
        &self,
        caller: &Caller,
        request: ImportKeys,
        call: &CallContext,
    ) -> Result<ImportedKeys, ManagementError> {
        let tenant = self.tenant_to_add_to(caller, &request.tenant).await?;
        let policy = self.policy_of(&tenant)?;
        if !(1..=MAX_KEYS).contains(&request.keys.len()) {
            let text = format!("must be 1 to 1,000, and are {}", request.keys.len());
            return Err(RequestError::field("keys", text).into());
        }
        let now = self.parts.clock.now().wall;
        let patterns = prefix::Patterns::new(&policy);
        let context = ImportContext { caller, tenant: &tenant, policy: &policy, patterns, now };
        let mut findings = Findings::default();
        let mut rows: Vec<ImportRow> = Vec::with_capacity(request.keys.len());
        for (index, key) in request.keys.into_iter().enumerate() {
            rows.extend(self.import(&context, index, key, &mut findings)?);
        }
        self.check_existing(&rows, &mut findings).await?;
        findings.warn_of_expired(&rows, now);
        let (warnings, errors) =
            if request.validate_only { findings.into_reports() } else { (findings.finish()?, Vec::new()) };
        if request.validate_only {
            rows.retain(|row| errors.iter().all(|error| error.index != row.index));
            let keys = rows.into_iter().map(|row| row.record).collect();
            return Ok(ImportedKeys { keys, warnings, errors });
        }
        let expired = rows.iter().filter(|row| row.record.expires.is_some_and(|at| at <= now)).count();
        let entry = self
            .audit_entry(caller, AuditAction::KeyImport, call)
            .for_tenant(tenant.id)
            .on_target(&tenant.slug);
        let entry = entry.with_detail("keys", rows.len().to_string()).with_detail("scopes", scopes_of(&rows));
        let entry = if expired > 0 { entry.with_detail("expired", expired.to_string()) } else { entry };
        let new = |row: ImportRow| NewKey { record: row.record, idempotency: None, imported: true };
        let records = rows.into_iter().map(new).collect();
        let created = self.parts.store.create_keys(records, entry).await?;
        let key = |created| match created {
            Created::New(key) | Created::Existing(key) => key,
        };
        let created = self.wait_until_applied(created, call).await?.value;
        Ok(ImportedKeys { keys: created.into_iter().map(key).collect(), warnings, errors })
    }

    /// Finds keys that exist already, and values that the request has twice.
    async fn check_existing(
        &self,
        rows: &[ImportRow],
        findings: &mut Findings,
    ) -> Result<(), ManagementError> {
        let hashes: Vec<KeyHash> = rows.iter().flat_map(ImportRow::hashes).collect();
        let existing = self.parts.store.existing_hashes(&hashes).await?;
        let mut first: HashMap<KeyHash, usize> = HashMap::new();
        for row in rows {
            let found = row.hashes().find_map(|hash| existing.get(&hash));
            let other = row.hashes().find_map(|hash| first.get(&hash).copied());
            let text = match (found, other) {
                (Some(ExistingHash::Present), _) if existing.contains_key(&row.record.hash) => {
                    "exists already".to_owned()
                }
                (Some(ExistingHash::Present), _) => {
                    "exists already: a key is stored by another hash of its value".to_owned()
                }
                (Some(ExistingHash::Deleted), _) => {
                    "is the value of a key that was deleted, and can't be used again".to_owned()
                }
                (None, Some(other)) => format!("has the value of keys[{other}]"),
                (None, None) => {
                    first.extend(row.hashes().map(|hash| (hash, row.index)));
                    continue;
                }
            };
            findings.add(row.index, "", Problem::Exists, text);
        }
        Ok(())
    }
}

/// Returns the scopes that the keys of an import have together.
fn scopes_of(rows: &[ImportRow]) -> String {
    let scopes = rows.iter().flat_map(|row| &row.record.scopes).map(|scope| &**scope);
    scopes.collect::<BTreeSet<&str>>().into_iter().collect::<Vec<_>>().join(" ")
}
