//! Looking up keys, users and families: for Check, which has little time, and for issuing and renewing tokens,
//! which wait as long as any other management call.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use latchkey_core::id::{FamilyId, UserId};
use latchkey_core::ports::timing::Question;
use latchkey_core::ports::{Found, FoundFamily, KeyStore};
use latchkey_core::secret::KeyHash;
use latchkey_core::trouble::Trouble;
use latchkey_core::user::UserRecord;

use super::Store;
use crate::query;
use crate::stop::Stop;

type Answer<T> = Result<T, Trouble>;

impl Store {
    async fn keys(&self, hashes: &[KeyHash], deadline: Duration) -> Vec<Answer<Found>> {
        let query = async { query::check::by_hash(&self.pool.lease().await?, hashes).await };
        each(hashes.len(), self.within_of(deadline, Question::FindKey, query)).await
    }

    async fn users(&self, ids: &[UserId], deadline: Duration) -> Vec<Answer<Found<UserRecord>>> {
        let query = async { query::user::with_tenant(&self.pool.lease().await?, ids).await };
        each(ids.len(), self.within_of(deadline, Question::FindUser, query)).await
    }

    async fn families_of(
        &self,
        ids: &[FamilyId],
        signing_key: &str,
        deadline: Duration,
    ) -> Vec<Answer<FoundFamily>> {
        let query = async { query::token::for_check(&self.pool.lease().await?, ids, signing_key).await };
        each(ids.len(), self.within_of(deadline, Question::FindFamily, query)).await
    }
}

/// What befell the query befell every question in it.
async fn each<T>(asked: usize, query: impl Future<Output = Answer<Vec<Answer<T>>>>) -> Vec<Answer<T>> {
    query.await.unwrap_or_else(|trouble| (0..asked).map(|_| Err(trouble.clone())).collect())
}

/// The answer to a single question.
fn only<T>(mut answers: Vec<Answer<T>>) -> Answer<T> {
    answers.pop().unwrap_or_else(|| Err(Stop::Spoiled("a question was not answered".to_owned()).into()))
}

#[async_trait]
impl KeyStore for Store {
    async fn key_by_hash(&self, hash: &KeyHash) -> Answer<Found> {
        only(self.keys(&[*hash], self.check_deadline).await)
    }

    async fn user_by_id(&self, id: UserId) -> Answer<Found<UserRecord>> {
        only(self.users(&[id], self.check_deadline).await)
    }

    async fn family(&self, id: FamilyId, signing_key: &str) -> Answer<FoundFamily> {
        only(self.families_of(&[id], signing_key, self.check_deadline).await)
    }

    async fn keys_by_hash(&self, hashes: &[KeyHash]) -> Vec<Answer<Found>> {
        self.keys(hashes, self.check_deadline).await
    }

    async fn users_by_id(&self, ids: &[UserId]) -> Vec<Answer<Found<UserRecord>>> {
        self.users(ids, self.check_deadline).await
    }

    async fn families(&self, ids: &[FamilyId], signing_key: &str) -> Vec<Answer<FoundFamily>> {
        self.families_of(ids, signing_key, self.check_deadline).await
    }
}

/// A store whose look-ups have the deadline of management calls.
#[derive(Clone, Debug)]
pub struct Patient(pub Arc<Store>);

#[async_trait]
impl KeyStore for Patient {
    async fn key_by_hash(&self, hash: &KeyHash) -> Answer<Found> {
        only(self.0.keys(&[*hash], self.0.deadline).await)
    }

    async fn user_by_id(&self, id: UserId) -> Answer<Found<UserRecord>> {
        only(self.0.users(&[id], self.0.deadline).await)
    }

    async fn family(&self, id: FamilyId, signing_key: &str) -> Answer<FoundFamily> {
        only(self.0.families_of(&[id], signing_key, self.0.deadline).await)
    }
}
