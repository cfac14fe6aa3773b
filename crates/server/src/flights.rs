//! What Check looks up in the database: keys, users and families, each sort gathered by itself, so that many
//! look-ups are one query. Where memory isn't trusted, each Check reads the database, and a busy key must not
//! make a herd of that either.

mod gather;

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use latchkey_core::id::{FamilyId, UserId};
use latchkey_core::ports::{Found, FoundFamily, KeyStore};
use latchkey_core::secret::KeyHash;
use latchkey_core::trouble::Trouble;
use latchkey_core::user::UserRecord;
use tokio::runtime::Handle;

use self::gather::Gather;

/// A family, and the key that signed the token which names it.
type FamilyQuestion = (FamilyId, Box<str>);

/// A key store that is asked once where many want to know. It can be asked from any runtime.
pub(crate) struct Flights {
    keys: Gather<KeyHash, Found>,
    users: Gather<UserId, Found<UserRecord>>,
    families: Gather<FamilyQuestion, FoundFamily>,
}

impl Flights {
    /// Asks the store in tasks of this runtime: the one that the store's connections live on.
    pub(crate) fn new(store: Arc<dyn KeyStore>, runtime: &Handle) -> Self {
        let (keys, users, families) = (Arc::clone(&store), Arc::clone(&store), store);
        Self {
            keys: Gather::new(runtime.clone(), move |hashes: Vec<KeyHash>| {
                let store = Arc::clone(&keys);
                async move { store.keys_by_hash(&hashes).await }
            }),
            users: Gather::new(runtime.clone(), move |ids: Vec<UserId>| {
                let store = Arc::clone(&users);
                async move { store.users_by_id(&ids).await }
            }),
            families: Gather::new(runtime.clone(), move |asked| {
                let store = Arc::clone(&families);
                async move { by_signer(&*store, asked).await }
            }),
        }
    }
}

/// A query for each signing key that is named; nearly always there is one.
async fn by_signer(store: &dyn KeyStore, asked: Vec<FamilyQuestion>) -> Vec<Result<FoundFamily, Trouble>> {
    let mut signers: HashMap<&str, Vec<usize>> = HashMap::new();
    for (place, (_, signer)) in asked.iter().enumerate() {
        signers.entry(signer).or_default().push(place);
    }
    let unanswered = || Err(Trouble::Fault("a family was not answered about".to_owned()));
    let mut answers: Vec<_> = asked.iter().map(|_| unanswered()).collect();
    for (signer, places) in signers {
        let ids: Vec<FamilyId> = places.iter().map(|place| asked[*place].0).collect();
        for (place, answer) in places.into_iter().zip(store.families(&ids, signer).await) {
            answers[place] = answer;
        }
    }
    answers
}

#[async_trait]
impl KeyStore for Flights {
    async fn key_by_hash(&self, hash: &KeyHash) -> Result<Found, Trouble> {
        self.keys.look_up(*hash).await
    }

    async fn user_by_id(&self, id: UserId) -> Result<Found<UserRecord>, Trouble> {
        self.users.look_up(id).await
    }

    async fn family(&self, id: FamilyId, signing_key: &str) -> Result<FoundFamily, Trouble> {
        self.families.look_up((id, signing_key.into())).await
    }
}

#[cfg(test)]
mod tests;
