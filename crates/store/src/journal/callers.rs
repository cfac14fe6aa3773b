//! Callers of writes, read while the lock on the head row is held. A change that takes rights away from a caller needs the
//! lock too: either it is committed, and the caller's write is refused, or it comes after the write.

use std::collections::HashMap;

use latchkey_core::error::RequestError;
use latchkey_core::id::{FamilyId, KeyId, UserId};
use latchkey_core::record::{KeyRecord, KeyState, TenantRecord};
use latchkey_core::time::Timestamp;
use latchkey_core::user::UserRecord;
use latchkey_management::ports::{ActingCaller, ActingSubject};

use super::JournalEntry;
use crate::error::StoreError;
use crate::pool::PooledConnection;
use crate::query;

const ENDED: RequestError = RequestError::Unauthenticated(
    "the credential is not valid any more: it ended while the call was under way, and nothing was changed",
);

fn lost_rights() -> RequestError {
    let text =
        "the caller's rights changed while the call was under way, and nothing was changed: repeat the call";
    RequestError::PermissionDenied(text.to_owned())
}

/// Returns an error if the caller of an entry has ended or has lost rights since it was authenticated.
pub(super) async fn check(
    connection: &PooledConnection,
    entries: &[JournalEntry<'_>],
) -> Result<(), StoreError> {
    let callers = entries.iter().filter_map(|entry| Some((entry.audit.caller.as_ref()?, entry.audit.time)));
    let callers: Vec<(&ActingCaller, Timestamp)> = callers.collect();
    if callers.is_empty() {
        return Ok(());
    }
    let stored = StoredCallers::read(connection, &callers).await?;
    for (caller, now) in callers {
        stored.check(caller, now)?;
    }
    Ok(())
}

/// Keys, users and token families of callers, as they are stored.
#[derive(Default)]
struct StoredCallers {
    /// Keys, each with its tenant and the newest version of the tenant's profile.
    keys: HashMap<KeyId, (KeyRecord, TenantRecord, Option<u64>)>,
    /// Users, each with the same.
    users: HashMap<UserId, (UserRecord, TenantRecord, Option<u64>)>,
    /// Families that have not ended.
    families: Vec<FamilyId>,
}

impl StoredCallers {
    async fn read(
        connection: &PooledConnection,
        callers: &[(&ActingCaller, Timestamp)],
    ) -> Result<Self, StoreError> {
        let (mut keys, mut users, mut families) = (Vec::new(), Vec::new(), Vec::new());
        for (caller, _) in callers {
            match &caller.subject {
                ActingSubject::Key(key) => keys.push(key.id),
                ActingSubject::User(user) => users.push(user.id),
            }
            families.extend(caller.family);
        }
        keys.sort_unstable();
        keys.dedup();
        users.sort_unstable();
        users.dedup();
        families.sort_unstable();
        families.dedup();
        let mut stored = Self::default();
        if !keys.is_empty() {
            let found = query::check::with_profile_version(connection, &keys).await?;
            stored.keys.extend(found.into_iter().map(|found| (found.0.id, found)));
        }
        if !users.is_empty() {
            // A corrupt row counts as a missing one.
            let found = query::user::with_profile_version(connection, &users).await?;
            stored.users.extend(found.into_iter().map(|found| (found.0.id, found)));
        }
        for id in families {
            let family = query::token::family(connection, id).await?;
            stored.families.extend(family.filter(|family| family.record.ended.is_none()).map(|_| id));
        }
        Ok(stored)
    }

    fn check(&self, caller: &ActingCaller, now: Timestamp) -> Result<(), RequestError> {
        let ActingCaller { subject, family } = caller;
        let (tenant, keeps_rights) = match subject {
            ActingSubject::Key(acting) => {
                let (key, tenant, newest) = self.keys.get(&acting.id).ok_or(ENDED)?;
                if key.state(now) != KeyState::Active {
                    return Err(ENDED);
                }
                (tenant, acting.keeps_rights(key, *newest))
            }
            ActingSubject::User(acting) => {
                let (user, tenant, newest) = self.users.get(&acting.id).ok_or(ENDED)?;
                if user.disabled {
                    return Err(ENDED);
                }
                (tenant, acting.keeps_rights(user, *newest))
            }
        };
        let is_family_over = family.is_some_and(|family| !self.families.contains(&family));
        if tenant.suspended || query::tenant::is_ended(&tenant.slug) || is_family_over {
            Err(ENDED)
        } else if keeps_rights {
            Ok(())
        } else {
            Err(lost_rights())
        }
    }
}
