//! Ending tokens, as RFC 7009 has it: whoever holds a token may end its family, and a token that nobody knows
//! is ended already.

use latchkey_core::ports::KnownFamily;
use latchkey_core::secret::PlainKey;
use latchkey_core::token::{refresh, verify};
use latchkey_core::trouble::{Failure, Trouble};

use super::TokenDesk;
use crate::CallContext;

impl TokenDesk {
    /// Ends the family of a refresh or access token, everywhere when this returns. Answers the revision; 0 where
    /// there was nothing to end.
    pub async fn revoke(&self, token: &PlainKey, call: &CallContext) -> Result<u64, Failure> {
        match self.family_of(token).await? {
            Some(family) => self.end(&family, "token.revoke", call).await,
            None => Ok(0),
        }
    }

    async fn family_of(&self, token: &PlainKey) -> Result<Option<KnownFamily>, Trouble> {
        if refresh::fits(token.reveal()) {
            let found = self.parts.ledger.refresh_token(&token.hash()).await?;
            return Ok(found.map(|(_, family)| family));
        }
        let ring = self.parts.memory.ring();
        let Ok(verified) = verify(token.reveal(), &ring) else { return Ok(None) };
        self.parts.ledger.family_by_id(verified.names.family).await
    }
}
