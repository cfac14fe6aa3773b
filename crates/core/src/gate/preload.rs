//! Look-ups without a call: what a Check asked for and did not get in time is read with a longer deadline, so that the
//! next Check finds it in the cache.

use super::Gate;
use super::lookup::ReadPoint;
use crate::error::SystemError;
use crate::id::{FamilyId, UserId};
use crate::ports::Limiter;
use crate::secret::KeyHash;

/// Subject of a look-up.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum LookupSubject {
    /// The key with this hash.
    Key(KeyHash),
    /// Hashes that no key has: the look-up finds which of them deleted keys had.
    Uses(Box<[KeyHash]>),
    /// A user.
    User(UserId),
    /// A token family, with the identifier of the signing key of its token.
    Family(FamilyId, Box<str>),
}

impl<L: Limiter> Gate<L> {
    /// Reads the subject from the database and caches it, as a Check does that does not find it in the cache. It holds up
    /// no Check: meanwhile, each one asks the database itself.
    pub async fn preload(&self, subject: &LookupSubject) -> Result<(), SystemError> {
        let cache = &self.parts.cache;
        match subject {
            LookupSubject::Key(hash) => {
                let (found, read) = self.query_key(hash).await?;
                cache.insert_late_key(hash, found.as_ref().map(|(entry, _)| entry), read);
            }
            LookupSubject::Uses(hashes) => drop(self.query_uses(hashes).await?),
            LookupSubject::User(id) => {
                let (found, ReadPoint { start, revision }) = self.query_user(*id).await?;
                if let Some((entry, _)) = found {
                    cache.insert_late(start, revision, || cache.tokens().users.put(*id, entry));
                }
            }
            LookupSubject::Family(id, signing_key) => {
                let (found, ReadPoint { start, revision }) = self.query_family(*id, signing_key).await?;
                if let Some(family) = found {
                    cache.insert_late(start, revision, || cache.tokens().families.put(*id, family));
                }
            }
        }
        Ok(())
    }
}
