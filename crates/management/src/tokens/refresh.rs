//! Refresh of tokens: a refresh token is redeemed for a successor. The token that was redeemed last gets the same
//! successor again if it is sent within a few seconds (a lost response, two browser tabs). A token that is sent
//! later, or whose successor has been redeemed too, indicates that one of the two was stolen, and the family ends.

use latchkey_core::error::{ManagementError, RequestError, SystemError};
use latchkey_core::observer::TokenEvent;
use latchkey_core::ports::TokenFamily;
use latchkey_core::scope::ScopeSet;
use latchkey_core::secret::PlainKey;
use latchkey_core::time::Timestamp;
use latchkey_core::token::TokenSubject;
use latchkey_core::token::refresh::{self, REUSE_GRACE, Redemption, RefreshRecord, seal_owner};

use super::buckets::TokenCharge;
use super::holder::{Holder, generation};
use super::issue::{IssuedTokens, owner_charge, requested_scopes};
use super::{INVALID_CREDENTIAL, TokenIssuer};
use crate::CallContext;
use crate::ports::AuditAction;

/// Request to refresh tokens; the fields are those of `latchkey.v1.RefreshJwtRequest`.
#[derive(Clone, Debug)]
pub struct RefreshJwt {
    /// Refresh token.
    pub token: PlainKey,
    /// Tenant by id or slug; empty for the token's own.
    pub tenant: String,
    /// Scopes of the access token, among those that were granted at the issue; empty for all of these.
    pub scopes: Vec<String>,
}

/// Returns the scopes of an access token: those that the request names, or all that were granted at the issue and
/// still are (RFC 6749 section 6). A narrower access token does not narrow the grant.
fn access_scopes(
    requested: &[String],
    record: &RefreshRecord,
    holder: &Holder,
) -> Result<ScopeSet, RequestError> {
    let granted = holder.policy.scopes.resolve(&record.scopes).intersection(&holder.principal.granted);
    requested_scopes(requested, &granted, &holder.policy)
}

impl TokenIssuer {
    /// Refreshes tokens.
    pub async fn refresh(
        &self,
        request: RefreshJwt,
        call: &CallContext,
    ) -> Result<IssuedTokens, ManagementError> {
        let renewed = self.renew(request, call).await;
        self.emit(TokenEvent::Refresh(super::call_outcome(&renewed)));
        renewed
    }

    async fn renew(&self, request: RefreshJwt, call: &CallContext) -> Result<IssuedTokens, ManagementError> {
        if !refresh::matches_format(request.token.reveal()) {
            return Err(INVALID_CREDENTIAL.into());
        }
        let hash = request.token.hash();
        let (record, family) = self.parts.keys.refresh_token(&hash).await?.ok_or(INVALID_CREDENTIAL)?;
        let now = self.now();
        if family.record.ended.is_some() || family.record.ends <= now {
            return Err(INVALID_CREDENTIAL.into());
        }
        let holder = self.family_holder(&family, &request.tenant, call).await?;
        if !holder.rules.allows_audience(&family.record.audience) {
            // The profile does not issue tokens for this audience any more.
            return Err(INVALID_CREDENTIAL.into());
        }
        if let Some(spent) = &record.spent {
            let successor = self.successor_again(&record, spent, &family, call).await?;
            let granted = access_scopes(&request.scopes, &record, &holder)?;
            // Otherwise one refresh token would be good for any number of access tokens.
            self.charge_refresh(&family, &holder, true)?;
            return self.resend(successor, &granted, &family, &holder, call).await;
        }
        let granted = access_scopes(&request.scopes, &record, &holder)?;
        self.charge_refresh(&family, &holder, false)?;
        let mut random = (self.shared().random)();
        let next = refresh::mint(&mut random);
        let sealer = &self.shared().sealer;
        let sealed = sealer.seal(next.reveal().as_bytes(), &seal_owner(&hash), &mut random);
        let successor =
            sealed.map_err(|_| SystemError::Internal("a successor could not be encrypted".into()))?;
        let scopes = record.scopes.clone();
        let spent = Redemption { at: now, successor, scopes: scopes.clone() };
        let record_next = RefreshRecord { hash: next.hash(), family: family.record.id, scopes, spent: None };
        let access = self.sign(&holder, &family.record, &granted, call).await?;
        let entry = self.subject_audit_entry(
            &family.record.parent.to_string(),
            AuditAction::TokenRefresh,
            family.record.tenant,
        );
        let entry = entry
            .on_target(&family.record.id)
            .in_request(&call.request_id)
            .with_detail("scopes", super::issue::names(&granted, &holder.policy).join(" "));
        if self.parts.store.redeem_refresh_token(&hash, spent, record_next, entry).await? {
            return Ok(IssuedTokens::new(&holder, &family.record, access, next, &granted, now));
        }
        // Another call redeemed the token first, or ended the family.
        let (record, family) = self.parts.keys.refresh_token(&hash).await?.ok_or(INVALID_CREDENTIAL)?;
        match &record.spent {
            Some(spent) if family.record.ended.is_none() => {
                let successor = self.successor_again(&record, spent, &family, call).await?;
                let granted = access_scopes(&request.scopes, &record, &holder)?;
                self.resend(successor, &granted, &family, &holder, call).await
            }
            Some(_) | None => Err(INVALID_CREDENTIAL.into()),
        }
    }

    /// Takes a token of the family's bucket and one of its key's or user's, or none. A refresh that is repeated once passes
    /// all the same: after the wait that the error names, the token would be taken for a stolen one.
    fn charge_refresh(
        &self,
        family: &TokenFamily,
        holder: &Holder,
        repeats: bool,
    ) -> Result<(), RequestError> {
        let of_family = TokenCharge {
            owner: family.record.id.0,
            limit: &holder.rules.limits.refresh,
            repeats,
            error: "the tokens of this family are refreshed too often; use the present one until it expires",
        };
        let of_owner = TokenCharge { repeats, ..owner_charge(holder) };
        self.buckets.charge(&[of_family, of_owner], self.shared().clock.now().monotonic)
    }

    /// Returns the successor of a token that was redeemed before, if the token may get it again; otherwise ends the family.
    async fn successor_again(
        &self,
        record: &RefreshRecord,
        spent: &Redemption,
        family: &TokenFamily,
        call: &CallContext,
    ) -> Result<PlainKey, ManagementError> {
        let now = self.now();
        let opened = self.shared().sealer.open(&spent.successor, &seal_owner(&record.hash));
        let successor = opened.map_err(|e| SystemError::Internal(format!("{}: {e}", family.record.id)))?;
        let after = self.parts.keys.refresh_token(&successor.hash()).await?;
        let is_latest = after.is_some_and(|(successor, _)| successor.spent.is_none());
        if spent.at.plus(REUSE_GRACE) < now || !is_latest {
            self.emit(TokenEvent::Reuse);
            self.end(family, AuditAction::TokenReuse, call).await?;
            return Err(INVALID_CREDENTIAL.into());
        }
        Ok(successor)
    }

    /// Sends a successor again, with another access token.
    async fn resend(
        &self,
        successor: PlainKey,
        granted: &ScopeSet,
        family: &TokenFamily,
        holder: &Holder,
        call: &CallContext,
    ) -> Result<IssuedTokens, ManagementError> {
        let access = self.sign(holder, &family.record, granted, call).await?;
        Ok(IssuedTokens::new(holder, &family.record, access, successor, granted, self.now()))
    }

    /// Returns the key or user that a family belongs to, if it is valid now.
    async fn family_holder(
        &self,
        family: &TokenFamily,
        tenant: &str,
        call: &CallContext,
    ) -> Result<Holder, ManagementError> {
        let holder = match (family.record.parent, &family.key) {
            (TokenSubject::Key(_), Some(hash)) => self.key(hash, tenant, call).await?,
            (TokenSubject::User(id), _) => self.user(id, tenant, call).await?,
            (TokenSubject::Key(_), None) => return Err(INVALID_CREDENTIAL.into()),
        };
        let same = generation(&holder.principal) == family.record.generation;
        if same { Ok(holder) } else { Err(INVALID_CREDENTIAL.into()) }
    }

    /// Ends a family; no replica accepts its tokens when this returns. Returns the revision.
    pub(super) async fn end(
        &self,
        family: &TokenFamily,
        action: AuditAction,
        call: &CallContext,
    ) -> Result<u64, ManagementError> {
        let at: Timestamp = self.now();
        let actor = family.record.parent.to_string();
        let entry = self.subject_audit_entry(&actor, action, family.record.tenant);
        let entry = entry.on_target(&family.record.id).in_request(&call.request_id);
        let written = self.parts.store.end_family(family.record.id, at, entry).await?;
        Ok(self.parts.management.wait_until_applied(written, call).await?.revision)
    }
}
