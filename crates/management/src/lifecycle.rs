//! Calls that end keys: rotation, which creates a successor, and revocation, which does not.

use std::time::Duration;

use latchkey_core::error::{FieldViolation, ManagementError, RequestError};
use latchkey_core::id::KeyId;
use latchkey_core::key_kind::{ExpiryRequired, KeyKind};
use latchkey_core::mint::mint;
use latchkey_core::record::{AlreadyRevoked, KeyRecord, KeyState};
use latchkey_core::secret::PlainKey;
use latchkey_core::time::Timestamp;

use super::field_validator::FieldValidator;
use super::grants::{Grants, PriorState};
use super::keys::{already_revoked, imported_only};
use super::{CallContext, Caller, Expiry, ManagementService, lifetime};
use crate::ports::{AuditAction, WriteResult};

/// Key to rotate.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RotateKey {
    /// Identifier of the key.
    pub id: String,
    /// Time for which the old key stays valid; zero ends it at once.
    pub overlap: Duration,
    /// Expiry of the successor; `None` for that of the key.
    pub expiry: Option<Expiry>,
    /// Violations that were found when the request's message was read.
    pub violations: Vec<FieldViolation>,
}

/// A key and its successor.
#[derive(Clone, Debug)]
pub struct RotatedKey {
    /// The successor.
    pub key: KeyRecord,
    /// Value of the successor.
    pub secret: PlainKey,
    /// The key that it replaces.
    pub replaced: KeyRecord,
}

/// Key to revoke.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RevokeKey {
    /// Identifier of the key.
    pub id: String,
    /// Human-readable reason; at most 256 characters.
    pub reason: String,
}

/// Longest time for which both keys of a rotation are valid.
const LONGEST_OVERLAP: Duration = Duration::from_hours(90 * 24);

impl ManagementService {
    /// Creates a successor with the same grants and, unless the request names another, the same expiry; the old key ends
    /// after the overlap. Both changes hold on every replica when this returns.
    pub async fn rotate_key(
        &self,
        caller: &Caller,
        request: RotateKey,
        call: &CallContext,
    ) -> Result<RotatedKey, ManagementError> {
        let (key, tenant) = self.managed_key(caller, &request.id).await?;
        caller.require_creator()?;
        let policy = self.policy_of(&tenant)?;
        let kind = policy.kind(&key.kind).ok_or_else(|| kind_removed(&key))?;
        if kind.imports.only {
            return Err(RequestError::FailedPrecondition(imported_only(kind, &policy)).into());
        }
        let prefix = kind.prefixes.of(&key.environment).ok_or_else(|| kind_removed(&key))?.to_owned();
        let mut random = (self.parts.random)();
        let now = self.parts.clock.now().wall;
        let mut fields = FieldValidator::new("");
        fields.extend(&request.violations);
        if request.overlap > LONGEST_OVERLAP {
            let text = format!("{:?} is too long: write at most 7776000s (90 days)", request.overlap);
            fields.reject("overlap", text);
        }
        let expires = request.expiry.and_then(|expiry| lifetime::requested(kind, expiry, now, &mut fields));
        fields.finish()?;
        let secret = mint(kind, &prefix, &mut random);
        let mut successor = KeyRecord { id: KeyId::new(now, &mut random), sealed: None, ..key.clone() };
        self.set_value(&mut successor, kind, &secret, &prefix, &mut random)?;
        let own = caller.bounded_in(&tenant);
        let grants = own.map(|own| Grants::of(own, &policy));
        let rotation = KeyRotation {
            successor,
            kind,
            overlap: request.overlap,
            expires,
            now,
            created_by: &caller.subject,
            grants,
        };
        let entry =
            self.audit_entry(caller, AuditAction::KeyRotate, call).for_tenant(tenant.id).on_target(&key.id);
        let entry = entry.with_detail("successor", rotation.successor.id.to_string());
        let entry = entry.with_detail("overlap_seconds", request.overlap.as_secs().to_string());
        let expiry = rotation.expires.map(|at| at.to_string()).unwrap_or_default();
        let entry = entry.with_detail("successor_expire_time", expiry);
        let rule = Box::new(|old: &KeyRecord| rotation.apply(old));
        let written = match self.parts.store.rotate_key(key.id, rule, entry).await {
            Err(ManagementError::Request(refusal)) if key.rotated_to.is_some() => {
                // An earlier call may have returned before its rotation was applied everywhere.
                self.wait_until_applied(WriteResult::unchanged(key.revision, ()), call).await?;
                return Err(refusal.into());
            }
            written => written?,
        };
        let (replaced, key) = self.wait_until_applied(written, call).await?.value;
        Ok(RotatedKey { key, secret, replaced })
    }

    /// Revokes a key permanently. No replica admits it when this returns, also if an earlier call has revoked it.
    pub async fn revoke_key(
        &self,
        caller: &Caller,
        request: RevokeKey,
        call: &CallContext,
    ) -> Result<WriteResult<KeyRecord>, ManagementError> {
        let (key, tenant) = self.managed_key(caller, &request.id).await?;
        caller.require_reach(&tenant)?;
        if request.reason.chars().count() > 256 || request.reason.chars().any(char::is_control) {
            let rule = "must have at most 256 characters, and no control characters";
            return Err(RequestError::field("reason", rule).into());
        }
        let now = self.parts.clock.now().wall;
        let entry =
            self.audit_entry(caller, AuditAction::KeyRevoke, call).for_tenant(tenant.id).on_target(&key.id);
        let entry = entry.with_detail("reason", request.reason.clone());
        let rule = Box::new(move |old: &KeyRecord| {
            // The value of a revoked key cannot be read, so it is not kept. A key that is revoked already stays as it is.
            Ok(old.lifecycle.revoke(now, request.reason).map_or_else(
                |AlreadyRevoked| old.clone(),
                |lifecycle| KeyRecord { lifecycle, sealed: None, ..old.clone() },
            ))
        });
        self.change_key(caller, (&key, &tenant), rule, entry, call).await
    }
}

fn kind_removed(key: &KeyRecord) -> ManagementError {
    let text = format!("the profile no longer has {} keys in {:?}", key.kind, key.environment);
    RequestError::FailedPrecondition(text).into()
}

/// Rotation rule, evaluated inside the store's transaction.
struct KeyRotation<'a> {
    /// Identifier and value of the successor; all other fields are taken from the key as it is stored.
    successor: KeyRecord,
    /// Kind of both keys.
    kind: &'a KeyKind,
    overlap: Duration,
    /// Requested expiry of the successor; `None` for that of the key.
    expires: Option<Timestamp>,
    now: Timestamp,
    created_by: &'a str,
    /// Rights of the caller; `None` for all.
    grants: Option<Grants<'a>>,
}

impl KeyRotation<'_> {
    fn apply(&self, old: &KeyRecord) -> Result<(KeyRecord, KeyRecord), RequestError> {
        match old.state(self.now) {
            KeyState::Active | KeyState::Disabled => {}
            KeyState::Revoked => return Err(RequestError::FailedPrecondition("the key is revoked".into())),
            KeyState::Expired => return Err(RequestError::FailedPrecondition("the key has expired".into())),
        }
        if let Some(successor) = old.rotated_to {
            return Err(RequestError::FailedPrecondition(format!(
                "the key was already rotated to {successor}"
            )));
        }
        let new = KeyRecord {
            id: self.successor.id,
            hash: self.successor.hash,
            prefix: self.successor.prefix.clone(),
            hint: self.successor.hint.clone(),
            sealed: self.successor.sealed.clone(),
            created: self.now,
            created_by: self.created_by.to_owned(),
            rotated_from: Some(old.id),
            // Otherwise a rotation would refill the buckets.
            bucket_key: Some(old.bucket_key.unwrap_or(old.id)),
            last_used: None,
            expires: self.expiry_of_successor(old)?,
            ..old.clone()
        };
        let mut replaced = KeyRecord { rotated_to: Some(new.id), ..old.clone() };
        if self.overlap.is_zero() {
            // The key is revoked and not set to expire now: with an expiry, a clock that is set back would make it
            // valid again.
            replaced.lifecycle =
                old.lifecycle.revoke(self.now, format!("rotated to {}", new.id)).map_err(already_revoked)?;
            replaced.sealed = None;
        } else {
            let end = self.now.plus(self.overlap);
            replaced.expires = Some(old.expires.map_or(end, |at| at.min(end)));
        }
        if let Some(grants) = &self.grants {
            grants.check(PriorState::Key(old), &replaced, self.now)?;
            // The caller receives the successor's value.
            grants.check(PriorState::Nothing, &new, self.now)?;
        }
        Ok((replaced, new))
    }

    /// Returns the expiry of the successor: the requested one, or that of the key within the longest lifetime of the kind.
    fn expiry_of_successor(&self, old: &KeyRecord) -> Result<Option<Timestamp>, RequestError> {
        if self.expires.is_some() {
            return Ok(self.expires);
        }
        let expires = self.kind.lifetime.of_successor(old.expires, self.now);
        expires.map_err(|ExpiryRequired| {
            RequestError::FailedPrecondition(format!(
                "{} keys must expire (require_expiry of the kind in the profile), and {} has no expiry: set \
                 expire_time or ttl in the call",
                self.kind.name, old.id
            ))
        })
    }
}
