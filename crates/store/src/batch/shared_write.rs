//! Writes that can share a transaction, each with the channel for its answer.

use latchkey_core::secret::KeyHash;
use latchkey_core::token::refresh::{FamilyRecord, Redemption, RefreshRecord};
use latchkey_management::ports::{AuditEntry, Created, NewKey, WriteResult};
use tokio::sync::oneshot;

use crate::error::StoreError;

/// Answer to one write.
pub(crate) type Answer<T> = Result<T, StoreError>;

/// Creation of one key.
pub(crate) struct KeyCreation {
    /// The key.
    pub(crate) key: NewKey,
    /// Entry of the audit log.
    pub(crate) audit: AuditEntry,
}

/// Start of a token family with its first refresh token.
pub(crate) struct FamilyStart {
    /// The family.
    pub(crate) family: FamilyRecord,
    /// First token of the family.
    pub(crate) first: RefreshRecord,
    /// Most living families of its key or user. Some of the others end with this write if there are more.
    pub(crate) most: u32,
    /// Entry of the audit log.
    pub(crate) audit: AuditEntry,
}

/// Use of a refresh token, in exchange for its successor.
pub(crate) struct TokenRedemption {
    /// Hash of the token.
    pub(crate) hash: KeyHash,
    /// Record of its use.
    pub(crate) redemption: Redemption,
    /// The token that follows.
    pub(crate) successor: RefreshRecord,
    /// Entry of the audit log.
    pub(crate) audit: AuditEntry,
}

/// A write that waits for its answer.
pub(crate) struct WaitingWrite<W, T> {
    pub(crate) write: Box<W>,
    pub(crate) answer: oneshot::Sender<Answer<T>>,
}

/// A write that can share a transaction with others.
pub(crate) enum SharedWrite {
    /// Creates a key. The answer is the key that was created, or that an earlier attempt of the same call had
    /// created.
    CreateKey(WaitingWrite<KeyCreation, WriteResult<Vec<Created>>>),
    /// Starts a family.
    StartFamily(WaitingWrite<FamilyStart, ()>),
    /// Redeems a refresh token. The answer is false if the token was used before or its family has ended.
    RedeemToken(WaitingWrite<TokenRedemption, bool>),
}

impl SharedWrite {
    /// Returns whether the caller has given up.
    pub(super) fn is_abandoned(&self) -> bool {
        match self {
            Self::CreateKey(waiting) => waiting.answer.is_closed(),
            Self::StartFamily(waiting) => waiting.answer.is_closed(),
            Self::RedeemToken(waiting) => waiting.answer.is_closed(),
        }
    }

    /// Answers with an error.
    pub(super) fn fail(self, error: StoreError) {
        // A caller that has given up needs no answer.
        match self {
            Self::CreateKey(waiting) => drop(waiting.answer.send(Err(error))),
            Self::StartFamily(waiting) => drop(waiting.answer.send(Err(error))),
            Self::RedeemToken(waiting) => drop(waiting.answer.send(Err(error))),
        }
    }
}
