//! A token desk without tokens: there are no users, no families and no signing keys. What the desk does with them
//! is proved in core, in the store and from outside.

use std::sync::Arc;

use async_trait::async_trait;
use latchkey_core::id::{FamilyId, TenantId, UserId};
use latchkey_core::memory::Memory;
use latchkey_core::ports::KnownFamily;
use latchkey_core::ports::tokens::SigningKeys;
use latchkey_core::secret::KeyHash;
use latchkey_core::time::Timestamp;
use latchkey_core::token::refresh::{FamilyRecord, RefreshRecord, Spent};
use latchkey_core::trouble::{Failure, Refusal, Trouble};
use latchkey_core::user::UserRecord;
use latchkey_core::witness::Blind;
use latchkey_management::password::PasswordHash;
use latchkey_management::ports::tokens::{Attempt, Job, SigningKeysRule, TokenLedger, UserRule, Workers};
use latchkey_management::ports::{AuditEntry, Written};
use latchkey_management::{Registrar, TokenDesk, TokenDeskParts};

use crate::books::Books;

struct Nothing;

/// A desk on these books.
pub(crate) fn desk(registrar: &Arc<Registrar>, books: &Arc<Books>) -> Arc<TokenDesk> {
    Arc::new(TokenDesk::new(TokenDeskParts {
        registrar: Arc::clone(registrar),
        ledger: Arc::new(Nothing),
        keys: Arc::clone(books) as _,
        memory: Arc::new(Memory::new(1 << 20)),
        workers: Arc::new(Nothing),
        witness: Arc::new(Blind),
    }))
}

#[async_trait]
impl Workers for Nothing {
    async fn run(&self, job: Job) -> Result<(), Refusal> {
        job();
        Ok(())
    }
}

#[async_trait]
impl TokenLedger for Nothing {
    async fn create_user(
        &self,
        _: UserRecord,
        _: PasswordHash,
        _: AuditEntry,
    ) -> Result<Written<UserRecord>, Failure> {
        Err(Trouble::database().into())
    }

    async fn user(&self, _: UserId) -> Result<Option<UserRecord>, Trouble> {
        Ok(None)
    }

    async fn users(&self, _: TenantId, _: Option<UserId>, _: u32) -> Result<Vec<UserRecord>, Trouble> {
        Ok(Vec::new())
    }

    async fn change_user(
        &self,
        _: UserId,
        _: (UserRule<'_>, Option<PasswordHash>),
        _: AuditEntry,
    ) -> Result<Written<UserRecord>, Failure> {
        Err(Trouble::database().into())
    }

    async fn attempt(&self, _: TenantId, _: &str, _: AuditEntry) -> Result<Option<Attempt>, Trouble> {
        Ok(None)
    }

    async fn forgive(&self, _: UserId) -> Result<(), Trouble> {
        Ok(())
    }

    async fn begin_family(&self, _: FamilyRecord, _: RefreshRecord, _: AuditEntry) -> Result<(), Failure> {
        Err(Trouble::database().into())
    }

    async fn refresh_token(&self, _: &KeyHash) -> Result<Option<(RefreshRecord, KnownFamily)>, Trouble> {
        Ok(None)
    }

    async fn spend(&self, _: &KeyHash, _: Spent, _: RefreshRecord, _: AuditEntry) -> Result<bool, Failure> {
        Ok(false)
    }

    async fn family_by_id(&self, _: FamilyId) -> Result<Option<KnownFamily>, Trouble> {
        Ok(None)
    }

    async fn end_family(&self, _: FamilyId, _: Timestamp, _: AuditEntry) -> Result<Written<()>, Failure> {
        Ok(Written { value: (), revision: 0 })
    }

    async fn sweep(&self, _: Timestamp) -> Result<u64, Trouble> {
        Ok(0)
    }

    async fn signing_keys(&self) -> Result<SigningKeys, Trouble> {
        Ok(SigningKeys { keys: Vec::new(), revision: 0 })
    }

    async fn change_signing_keys(
        &self,
        _: &str,
        _: (SigningKeysRule<'_>, Timestamp),
        _: AuditEntry,
    ) -> Result<Written<()>, Failure> {
        Ok(Written { value: (), revision: 0 })
    }
}
