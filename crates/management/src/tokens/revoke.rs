//! Revocation of tokens, by RFC 7009: the holder of a token can end its family, and an unknown token counts as
//! revoked. An endpoint knows the tokens of its own profile alone.

use latchkey_core::error::{ManagementError, SystemError};
use latchkey_core::ports::TokenFamily;
use latchkey_core::record::TenantRef;
use latchkey_core::secret::PlainKey;
use latchkey_core::token::{refresh, verify};

use super::TokenIssuer;
use crate::CallContext;
use crate::ports::AuditAction;

impl TokenIssuer {
    /// Ends the family of a refresh or access token; no replica accepts its tokens when this returns. Returns the
    /// revision; 0 if there was nothing to end.
    pub async fn revoke(&self, token: &PlainKey, call: &CallContext) -> Result<u64, ManagementError> {
        let Some(family) = self.family_of(token).await? else { return Ok(0) };
        if !self.may_end(&family, call).await? {
            return Ok(0);
        }
        self.end(&family, AuditAction::TokenRevoke, call).await
    }

    /// Returns whether the call may end a family: an endpoint's call only one of a tenant of its profile.
    async fn may_end(&self, family: &TokenFamily, call: &CallContext) -> Result<bool, SystemError> {
        if call.profile.is_none() {
            return Ok(true);
        }
        let owner = self.shared().store.tenant(&TenantRef::Id(family.record.tenant)).await?;
        Ok(owner.is_some_and(|owner| call.is_for(&owner.profile)))
    }

    async fn family_of(&self, token: &PlainKey) -> Result<Option<TokenFamily>, SystemError> {
        if refresh::matches_format(token.reveal()) {
            let found = self.parts.keys.refresh_token(&token.hash()).await?;
            return Ok(found.map(|(_, family)| family));
        }
        let key_ring = self.parts.cache.key_ring();
        let Ok(verified) = verify(token.reveal(), &key_ring) else { return Ok(None) };
        self.parts.store.family_by_id(verified.ids.family).await
    }
}
