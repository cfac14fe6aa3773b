//! Renewing: a refresh token is spent for a successor. Whoever sends the one that was spent last again within
//! seconds (a lost answer, two tabs) gets the same successor. Sent later, or when its successor has been spent too,
//! it has been stolen or its successor was, and the family ends.

use latchkey_core::ports::KnownFamily;
use latchkey_core::secret::PlainKey;
use latchkey_core::time::Timestamp;
use latchkey_core::token::Parent;
use latchkey_core::token::refresh::{self, GRACE, RefreshRecord, Spent, owner};
use latchkey_core::trouble::{Failure, Trouble};
use latchkey_core::witness::Event;

use super::holder::{Holder, generation};
use super::issue::{IssuedJwt, answer, asked};
use super::{BAD, TokenDesk};
use crate::CallContext;

/// A wish to renew; the fields are those of `latchkey.v1.RefreshJwtRequest`.
#[derive(Clone, Debug)]
pub struct RefreshJwt {
    /// The refresh token.
    pub token: PlainKey,
    /// By id or slug; empty: the token's own.
    pub tenant: String,
    /// None: those of the token. They shrink, never grow.
    pub scopes: Vec<String>,
}

impl TokenDesk {
    /// Renews tokens.
    pub async fn refresh(&self, ask: RefreshJwt, call: &CallContext) -> Result<IssuedJwt, Failure> {
        let renewed = self.renew(ask, call).await;
        self.noted(Event::Refresh(super::ended(&renewed)));
        renewed
    }

    async fn renew(&self, ask: RefreshJwt, call: &CallContext) -> Result<IssuedJwt, Failure> {
        if !refresh::fits(ask.token.reveal()) {
            return Err(BAD.into());
        }
        let hash = ask.token.hash();
        let (record, family) = self.parts.ledger.refresh_token(&hash).await?.ok_or(BAD)?;
        let now = self.now();
        if family.record.ended.is_some() || family.record.ends <= now {
            return Err(BAD.into());
        }
        let holder = self.behind(&family, &ask.tenant).await?;
        if let Some(spent) = &record.spent {
            return self.again(&record, spent, (&family, &holder), call).await;
        }
        let before = holder.policy.scopes.known(&record.scopes).intersection(&holder.principal.granted);
        let granted = asked(&ask.scopes, &before, &holder.policy)?;
        let mut random = (self.shared().random)();
        let next = refresh::mint(&mut random);
        let sealer = &self.shared().sealer;
        let sealed = sealer.seal(next.reveal().as_bytes(), &owner(&hash), &mut random);
        let successor = sealed.map_err(|_| Trouble::Fault("a successor could not be sealed".into()))?;
        let scopes = if ask.scopes.is_empty() {
            record.scopes.clone()
        } else {
            super::issue::names(&granted, &holder.policy)
        };
        let spent = Spent { at: now, successor, scopes: scopes.clone() };
        let record_next = RefreshRecord { hash: next.hash(), family: family.record.id, scopes, spent: None };
        let (access, ttl) = self.sign(&holder, &family.record, &granted, call).await?;
        let entry = self.told(&family.record.parent.to_string(), "token.refresh", family.record.tenant);
        let entry =
            entry.to(&family.record.id).during(&call.request_id).with("scopes", record_next.scopes.join(" "));
        if self.parts.ledger.spend(&hash, spent, record_next, entry).await? {
            return Ok(answer(&holder, &family.record, (access, ttl, next), (&granted, now)));
        }
        // Somebody was faster, or ended the family.
        let (record, family) = self.parts.ledger.refresh_token(&hash).await?.ok_or(BAD)?;
        match &record.spent {
            Some(spent) if family.record.ended.is_none() => {
                self.again(&record, spent, (&family, &holder), call).await
            }
            Some(_) | None => Err(BAD.into()),
        }
    }

    /// A token that was spent before.
    async fn again(
        &self,
        record: &RefreshRecord,
        spent: &Spent,
        (family, holder): (&KnownFamily, &Holder),
        call: &CallContext,
    ) -> Result<IssuedJwt, Failure> {
        let now = self.now();
        let opened = self.shared().sealer.open(&spent.successor, &owner(&record.hash));
        let successor = opened.map_err(|e| Trouble::Fault(format!("{}: {e}", family.record.id)))?;
        let after = self.parts.ledger.refresh_token(&successor.hash()).await?;
        let last = after.is_some_and(|(successor, _)| successor.spent.is_none());
        if spent.at.after(GRACE) < now || !last {
            self.noted(Event::Reuse);
            self.end(family, "token.reuse", call).await?;
            return Err(BAD.into());
        }
        let granted = holder.policy.scopes.known(&spent.scopes).intersection(&holder.principal.granted);
        let (access, ttl) = self.sign(holder, &family.record, &granted, call).await?;
        Ok(answer(holder, &family.record, (access, ttl, successor), (&granted, now)))
    }

    /// The key or user behind a family, in order now.
    async fn behind(&self, family: &KnownFamily, tenant: &str) -> Result<Holder, Failure> {
        let holder = match (family.record.parent, &family.key) {
            (Parent::Key(_), Some(hash)) => self.key(hash, tenant).await?,
            (Parent::User(id), _) => self.user(id, tenant).await?,
            (Parent::Key(_), None) => return Err(BAD.into()),
        };
        let same = generation(&holder.principal) == family.record.generation;
        if same { Ok(holder) } else { Err(BAD.into()) }
    }

    /// Ends a family, everywhere when this returns; answers the revision.
    pub(super) async fn end(
        &self,
        family: &KnownFamily,
        action: &'static str,
        call: &CallContext,
    ) -> Result<u64, Failure> {
        let at: Timestamp = self.now();
        let actor = family.record.parent.to_string();
        let entry = self.told(&actor, action, family.record.tenant);
        let entry = entry.to(&family.record.id).during(&call.request_id);
        let written = self.parts.ledger.end_family(family.record.id, at, entry).await?;
        Ok(self.parts.registrar.spread(written, call).await?.revision)
    }
}
