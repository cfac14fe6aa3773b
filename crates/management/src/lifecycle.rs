//! The ends of keys: rotation, which makes a successor, and revocation, which makes none.

use std::time::Duration;

use latchkey_core::id::KeyId;
use latchkey_core::mint::mint;
use latchkey_core::policy::Policy;
use latchkey_core::record::{KeyRecord, KeyState};
use latchkey_core::secret::PlainKey;
use latchkey_core::time::Timestamp;
use latchkey_core::trouble::{Failure, Refusal};

use super::grants::Grants;
use super::keys::revoked;
use super::{CallContext, Caller, Registrar};
use crate::ports::Written;

/// Which key to rotate.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RotateKey {
    /// Which.
    pub id: String,
    /// How long the old one goes on; zero: it stops at once.
    pub overlap: Duration,
}

/// A key and its successor.
#[derive(Clone, Debug)]
pub struct Rotated {
    /// The successor.
    pub key: KeyRecord,
    /// Its value.
    pub secret: PlainKey,
    /// The key that it replaces.
    pub replaced: KeyRecord,
}

/// Which key to revoke.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RevokeKey {
    /// Which.
    pub id: String,
    /// For people; at most 256 characters.
    pub reason: String,
}

/// The longest time that two keys of a rotation work side by side.
const LONGEST_OVERLAP: Duration = Duration::from_hours(90 * 24);

impl Registrar {
    /// Makes a successor with the same grants and the same end; the old key stops after the overlap. When this
    /// returns, both hold everywhere.
    pub async fn rotate_key(
        &self,
        by: &Caller,
        ask: RotateKey,
        call: &CallContext,
    ) -> Result<Rotated, Failure> {
        let (key, tenant) = self.managed_key(by, &ask.id).await?;
        if ask.overlap > LONGEST_OVERLAP {
            return Err(Refusal::field("overlap", "must be at most 90 days").into());
        }
        let policy = self.policy_of(&tenant)?;
        let kind = policy.kind(&key.kind).ok_or_else(|| gone(&key))?;
        let prefix = kind.prefixes.of(&key.environment).ok_or_else(|| gone(&key))?.to_owned();
        let mut random = (self.parts.random)();
        let now = self.parts.clock.now().wall;
        let secret = mint(kind, &prefix, &mut random);
        let mut blank = KeyRecord { id: KeyId::new(now, &mut random), sealed: None, ..key.clone() };
        self.value(&mut blank, kind, (&secret, &prefix), &mut random)?;
        let rotation = Rotation { blank, overlap: ask.overlap, now, by, policy: &policy };
        let entry = self.entry(by, "key.rotate", call).of(tenant.id).to(&key.id);
        let entry = entry.with("successor", rotation.blank.id.to_string());
        let entry = entry.with("overlap_seconds", ask.overlap.as_secs().to_string());
        let rule = Box::new(|old: &KeyRecord| rotation.apply(old));
        let written = self.parts.ledger.rotate_key(key.id, rule, entry).await?;
        let (replaced, key) = self.spread(written, call).await?.value;
        Ok(Rotated { key, secret, replaced })
    }

    /// Revokes a key, for good. When this returns, no replica admits it any more.
    pub async fn revoke_key(
        &self,
        by: &Caller,
        ask: RevokeKey,
        call: &CallContext,
    ) -> Result<Written<KeyRecord>, Failure> {
        let (key, tenant) = self.managed_key(by, &ask.id).await?;
        if ask.reason.chars().count() > 256 || ask.reason.chars().any(char::is_control) {
            let rule = "must have at most 256 characters, and no control characters";
            return Err(Refusal::field("reason", rule).into());
        }
        let now = self.parts.clock.now().wall;
        let entry = self.entry(by, "key.revoke", call).of(tenant.id).to(&key.id);
        let entry = entry.with("reason", ask.reason.clone());
        let rule = Box::new(move |old: &KeyRecord| {
            let life = old.life.revoke(now, ask.reason).map_err(revoked)?;
            // Nobody reads the value of a revoked key again.
            Ok(KeyRecord { life, sealed: None, ..old.clone() })
        });
        let written = self.parts.ledger.change_key(key.id, rule, entry).await?;
        self.spread(written, call).await
    }
}

fn gone(key: &KeyRecord) -> Failure {
    let text = format!("the profile has no {} keys in {:?} any more", key.kind, key.environment);
    Refusal::Precondition(text).into()
}

/// A rotation, as the ledger's rule.
struct Rotation<'a> {
    /// The successor's identifier and value; everything else is taken from the key as the ledger has it.
    blank: KeyRecord,
    overlap: Duration,
    now: Timestamp,
    by: &'a Caller,
    policy: &'a Policy,
}

impl Rotation<'_> {
    fn apply(&self, old: &KeyRecord) -> Result<(KeyRecord, KeyRecord), Refusal> {
        match old.state(self.now) {
            KeyState::Active | KeyState::Disabled => {}
            KeyState::Revoked => return Err(Refusal::Precondition("the key is revoked".into())),
            KeyState::Expired => return Err(Refusal::Precondition("the key has expired".into())),
        }
        if let Some(successor) = old.rotated_to {
            return Err(Refusal::Precondition(format!("the key was rotated already, to {successor}")));
        }
        let new = KeyRecord {
            id: self.blank.id,
            hash: self.blank.hash,
            prefix: self.blank.prefix.clone(),
            hint: self.blank.hint.clone(),
            sealed: self.blank.sealed.clone(),
            created: self.now,
            created_by: self.by.subject.clone(),
            rotated_from: Some(old.id),
            last_used: None,
            ..old.clone()
        };
        if let Some(own) = self.by.principal() {
            // The successor's value is told to the caller: it must be able to grant all that goes with it.
            Grants::of(own, self.policy).cover(&new, &self.policy.scopes.known(&new.scopes))?;
        }
        let mut old = KeyRecord { rotated_to: Some(new.id), ..old.clone() };
        if self.overlap.is_zero() {
            // Not an expiry at this very moment: a clock that is set back must not bring it to life again.
            old.life = old.life.revoke(self.now, format!("rotated to {}", new.id)).map_err(revoked)?;
            old.sealed = None;
        } else {
            let end = self.now.after(self.overlap);
            old.expires = Some(old.expires.map_or(end, |at| at.min(end)));
        }
        Ok((old, new))
    }
}
