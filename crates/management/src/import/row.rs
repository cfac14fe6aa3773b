//! Checks of one key of an import, and its record. A key that no Check could ever accept is refused.

use latchkey_core::error::{ManagementError, RequestError, SystemError};
use latchkey_core::excerpt::Quoted;
use latchkey_core::id::KeyId;
use latchkey_core::imported_hash::{HashAlgorithm, HashScheme, ImportedHashes};
use latchkey_core::key_kind::{KeyKind, Prefixes};
use latchkey_core::policy::Policy;
use latchkey_core::ports::Policies;
use latchkey_core::record::{KeyLifecycle, KeyRecord};
use latchkey_core::secret::{KeyHash, PlainKey};
use latchkey_core::time::Timestamp;
use latchkey_core::token::looks_like_jwt;

use super::findings::{Findings, Problem, formats};
use super::{ImportContext, ImportKey, ImportRow, ImportSecret, ImportedHash, digest, prefix};
use crate::ManagementService;
use crate::create_key::CreateKey;
use crate::field_validator::FieldValidator;
use crate::key_builder::KeyBuilder;

impl ManagementService {
    /// Returns the row of one key. Returns `None` if it has an error, which is among the findings.
    pub(super) fn import(
        &self,
        context: &ImportContext<'_>,
        index: usize,
        mut key: ImportKey,
        findings: &mut Findings,
    ) -> Result<Option<ImportRow>, ManagementError> {
        let ImportContext { caller, tenant, policy, now, .. } = *context;
        let (path, inner) = (format!("keys[{index}]."), format!("keys[{index}].key."));
        let mut outer = FieldValidator::new(&path);
        if let Some(ImportSecret::Value(value)) = &key.secret {
            check_value(policy, value, &key, &mut outer);
            infer_kind(policy, value, &mut key.key, &mut outer);
        }
        let mut fields = FieldValidator::after(&inner, findings.errors());
        if !key.key.idempotency_key.is_empty() {
            fields.reject("idempotency_key", "is not used by imports: a key that exists already is rejected");
        }
        let same = |named: &str| *named == *tenant.slug || named.parse() == Ok(tenant.id);
        if !key.key.tenant.is_empty() && !same(&key.key.tenant) {
            fields.reject("tenant", "must be empty, or the tenant of the import");
        }
        let mut random = (self.parts.random)();
        // A key that has expired in the other system is expired here.
        let builder = self.key_builder(policy, tenant, caller);
        let created = key.created.unwrap_or(builder.now);
        let builder = KeyBuilder { earliest_expiry: Timestamp(i64::MIN), created, ..builder };
        let draft = builder.build(&key.key, &mut fields, &mut random);
        let hash = draft.as_ref().and_then(|draft| hash(context, &key, draft.kind, &mut outer));
        if key.created.is_some_and(|at| at > now) {
            outer.reject("create_time", "must not be in the future");
        }
        let mut violations = std::mem::take(&mut key.violations);
        violations.extend(outer.into_violations());
        violations.extend(fields.into_violations());
        let (Some(draft), Some(hash), true) = (draft, hash, violations.is_empty()) else {
            findings.add_violations(index, violations);
            return Ok(None);
        };
        let (mut record, kind) = match self.granted_record(draft, caller, tenant, policy) {
            Ok(granted) => granted,
            Err(RequestError::PermissionDenied(text)) => {
                findings.add(index, "", Problem::Denied, format!("can't be imported: {text}"));
                return Ok(None);
            }
            Err(other) => return Err(other.into()),
        };
        if let Some(created) = key.created {
            // Identifiers sort by creation, and lists by identifiers.
            (record.created, record.id) = (created, KeyId::new(created, &mut random));
        }
        self.set_imported_secret(&mut record, kind, &key, hash, &mut random)?;
        if let Some(ImportSecret::Sha256(_) | ImportSecret::Hash(_)) = key.secret
            && key.prefix.is_empty()
        {
            findings.note_unchecked(index, kind, &record.environment);
        }
        if key.disabled {
            record.lifecycle = KeyLifecycle::Disabled;
        }
        let other_hashes = match &key.secret {
            Some(ImportSecret::Value(value)) => other_hashes(policy, &*self.parts.policies, value.reveal()),
            Some(ImportSecret::Sha256(_) | ImportSecret::Hash(_)) | None => ImportedHashes::new(),
        };
        Ok(Some(ImportRow { index, record, other_hashes }))
    }

    fn set_imported_secret(
        &self,
        record: &mut KeyRecord,
        kind: &KeyKind,
        key: &ImportKey,
        hash: KeyHash,
        random: &mut dyn rand::Rng,
    ) -> Result<(), SystemError> {
        let own = kind.prefixes.of(&record.environment).unwrap_or_default();
        match &key.secret {
            Some(ImportSecret::Value(value)) => {
                let prefix = if kind.matches_own_format(value.reveal()) { own } else { &key.prefix };
                self.set_value(record, kind, value, prefix, random)
            }
            Some(ImportSecret::Sha256(_) | ImportSecret::Hash(_)) | None => {
                let known = if kind.imports.pattern.is_none() { own } else { "" };
                record.hash = hash;
                record.prefix = if key.prefix.is_empty() { known.into() } else { key.prefix.as_str().into() };
                record.hint = key.hint.as_str().into();
                Ok(())
            }
        }
    }
}

/// Returns the hashes, besides SHA-256, by which a key of this value may exist, also those of algorithms that the profile
/// does not declare any more, those with a secret that is set, and those that other profiles declare.
fn other_hashes(policy: &Policy, all: &dyn Policies, value: &str) -> ImportedHashes {
    let others = HashAlgorithm::ALL.into_iter().filter(|algorithm| *algorithm != HashAlgorithm::Sha256);
    let plain = others.filter_map(|algorithm| HashScheme::plain(algorithm).lookup_hash_of(value));
    let declared = policy.kinds.iter().flat_map(|kind| &kind.imports.hashes);
    let with_secret = declared.filter(|scheme| scheme.secret.is_some());
    let with_secret = with_secret.filter_map(|scheme| scheme.lookup_hash_of(value));
    plain.chain(with_secret).chain(all.imported_hashes(value)).collect()
}

/// Checks the fields of a request about a value that it has.
fn check_value(policy: &Policy, value: &PlainKey, key: &ImportKey, fields: &mut FieldValidator<'_>) {
    if policy.accepts.jwt && looks_like_jwt(value.reveal()) {
        fields.reject("value", "has the form of a JWT, and the profile takes it for one: it can't be a key");
    }
    prefix::check_of_value(policy, &key.prefix, value, fields);
    if !value.reveal().ends_with(&key.hint) {
        fields.reject("hint", "is not what the value ends with");
    }
}

/// Returns the hash by which the key is looked up.
fn hash(
    context: &ImportContext<'_>,
    key: &ImportKey,
    kind: &KeyKind,
    fields: &mut FieldValidator<'_>,
) -> Option<KeyHash> {
    let (field, algorithm, imported) = match key.secret.as_ref() {
        None => {
            fields.reject("secret", "a value or a hash is needed: `value`, `sha256` or `hash`");
            return None;
        }
        Some(ImportSecret::Value(value)) => return Some(value.hash()),
        Some(ImportSecret::Sha256(bytes)) => ("sha256", HashAlgorithm::Sha256, sha256(bytes, fields)),
        Some(ImportSecret::Hash(hash)) => {
            let algorithm = algorithm(hash, kind, fields)?;
            let parsed = digest::parse(hash.digest.trim(), algorithm.bytes());
            ("hash", algorithm, parsed.map_err(|text| fields.reject("hash.digest", text)).ok())
        }
    };
    if kind.retrievable {
        fields.reject(field, "keys of this kind are retrievable: the value is needed");
    }
    prefix::check_of_hash(&context.patterns, kind, &key.prefix, &key.key.environment, fields);
    if key.hint.chars().count() > 4 || key.hint.chars().any(|c| !c.is_ascii_graphic()) {
        fields.reject("hint", "must be the last characters of the value, at most 4");
    }
    Some(algorithm.lookup_hash(&imported?))
}

fn sha256(bytes: &[u8], fields: &mut FieldValidator<'_>) -> Option<Vec<u8>> {
    if bytes.len() == 32 {
        return Some(bytes.to_vec());
    }
    let count = bytes.len();
    // JSON has bytes in base64, in which 64 hexadecimal digits are 48 bytes.
    let digits = if count == 48 { "; write hexadecimal digits to `hash.digest`" } else { "" };
    fields.reject("sha256", format!("must be 32 bytes, and is {count}{digits}"));
    None
}

/// Returns the algorithm of a hash, if the kind declares it.
fn algorithm(hash: &ImportedHash, kind: &KeyKind, fields: &mut FieldValidator<'_>) -> Option<HashAlgorithm> {
    let Some(algorithm) = HashAlgorithm::named(&hash.algorithm) else {
        let text = format!("{} is not one of {}", Quoted(&hash.algorithm), HashAlgorithm::choices());
        fields.reject("hash.algorithm", text);
        return None;
    };
    let (name, declared) = (algorithm.name(), declared(kind));
    if algorithm != HashAlgorithm::HmacSha256 && !hash.secret.is_empty() {
        fields.reject("hash.secret", format!("must be empty: {name} has no secret"));
        return None;
    }
    let Some(scheme) = kind.hash_scheme(algorithm, &hash.secret) else {
        if hash.secret.is_empty() && kind.imports.hashes.iter().any(|s| s.algorithm == algorithm) {
            fields.reject("hash.secret", format!("is required: the kind {:?} has {declared}", kind.name));
        } else if hash.secret.is_empty() {
            let entry = if algorithm == HashAlgorithm::HmacSha256 { "hmac-sha256:NAME" } else { name };
            let text = format!(
                "the kind {:?} has {declared}, and not {name}: add hashes = [{entry:?}] to the kind in the profile",
                kind.name
            );
            fields.reject("hash.algorithm", text);
        } else {
            let secret = Quoted(&hash.secret);
            fields.reject(
                "hash.secret",
                format!("{secret} is not one of the kind {:?}: it has {declared}", kind.name),
            );
        }
        return None;
    };
    if algorithm == HashAlgorithm::HmacSha256 && scheme.secret.is_none() {
        let text = format!(
            "the secret {:?} is not set: set it by `latchkey profile secret set`",
            &*scheme.secret_name
        );
        fields.reject("hash.secret", text);
        return None;
    }
    Some(algorithm)
}

/// Returns the hashes by which keys of a kind can be imported.
fn declared(kind: &KeyKind) -> String {
    let own = std::iter::once(HashAlgorithm::Sha256.name().to_owned());
    own.chain(kind.imports.hashes.iter().map(ToString::to_string)).collect::<Vec<_>>().join(", ")
}

/// Infers kind and environment from the value. The value must not contradict what the request says of them, and it
/// must match the format of a kind: otherwise no Check could ever accept it.
fn infer_kind(policy: &Policy, value: &PlainKey, request: &mut CreateKey, fields: &mut FieldValidator<'_>) {
    let text = value.reveal();
    let fits: Vec<&KeyKind> = policy.kinds.iter().filter(|kind| kind.matches_format(text)).collect();
    let own: Vec<&KeyKind> = fits.iter().copied().filter(|kind| kind.matches_own_format(text)).collect();
    let names = |kinds: &[&KeyKind]| kinds.iter().map(|k| &*k.name).collect::<Vec<_>>().join(", ");
    let kind = match (request.kind.as_str(), own.as_slice(), fits.as_slice()) {
        (_, _, []) => {
            let known: Vec<String> = policy
                .kinds
                .iter()
                .map(|kind| {
                    format!("those of the kind {:?} {}", kind.name, formats(kind, &request.environment))
                })
                .collect();
            let known = if known.is_empty() { "it has no kinds".to_owned() } else { known.join("; ") };
            let text = format!(
                "has the format of no kind of the profile ({known}): add a kind with `format = {{ pattern = …, max = … }}` \
                 to the profile"
            );
            return fields.reject("value", text);
        }
        ("", [kind, ..], _) | ("", [], [kind]) => *kind,
        ("", [], several) => {
            let text = format!("has the format of several kinds: name one of {} in key.kind", names(several));
            return fields.reject("value", text);
        }
        (name, _, fits) => {
            let Some(kind) = fits.iter().find(|kind| *kind.name == *name) else {
                let (name, others) = (Quoted(name), names(fits));
                let text = format!("does not have the format of the kind {name}, but that of {others}");
                return fields.reject("value", text);
            };
            *kind
        }
    };
    request.kind = kind.name.to_string();
    if !kind.matches_own_format(text) {
        return;
    }
    let of = |e: &&str| kind.prefixes.of(e).is_some_and(|p| text.starts_with(p));
    let Prefixes::PerEnvironment(_) = kind.prefixes else { return };
    let longest = |e: &&str| kind.prefixes.of(e).map_or(0, str::len);
    if let Some(environment) = policy.environments.iter().map(|e| &**e).filter(of).max_by_key(longest) {
        if request.environment.is_empty() {
            request.environment = environment.to_owned();
        } else if request.environment != environment {
            fields.reject("value", format!("is a {environment} key by its prefix"));
        }
    }
}
