//! The change feed as followers read it: changes after a revision, in order and without a gap.

use latchkey_core::ports::{Change, ChangeSubject};
use latchkey_core::secret::KeyHash;
use sea_orm::entity::prelude::*;
use sea_orm::{QueryOrder, QuerySelect};

use crate::entity::change::{Column, Entity, Model};
use crate::entity::head;
use crate::error::StoreError;
use crate::pool::PooledConnection;
use crate::row::{RowContext, number};

const KEY: &str = "key";
const TENANT: &str = "tenant";
const PROFILE: &str = "profile";
const USER: &str = "user";
const FAMILY: &str = "family";
const SIGNING_KEYS: &str = "signing_keys";

/// Returns changes after `after`. Stops before a row whose revision is not the next one: a follower that
/// skipped a revision would never see its change.
pub(crate) async fn changes(
    connection: &PooledConnection,
    after: u64,
    limit: u32,
) -> Result<Vec<Change>, StoreError> {
    let query = Entity::find().filter(Column::Revision.gt(number::to_i64(after)));
    let rows = query.order_by_asc(Column::Revision).limit(u64::from(limit)).all(connection).await?;
    let next = |(expected, row): &(u64, Model)| u64::try_from(row.revision) == Ok(*expected);
    let following = (after.saturating_add(1)..).zip(rows).take_while(next);
    following.map(|(revision, row)| Ok(Change { revision, subject: subject(&row)? })).collect()
}

/// Returns the newest revision of the feed.
pub(crate) async fn revision(connection: &PooledConnection) -> Result<u64, StoreError> {
    let head = head(connection).await?;
    number::to_u64(RowContext::new("head", &head.id), "revision", head.revision)
}

/// Returns the current head.
pub(crate) async fn head(connection: &PooledConnection) -> Result<head::Model, StoreError> {
    let head = head::Entity::find().one(connection).await?;
    head.ok_or_else(|| RowContext::new("head", &1).corrupt("being missing"))
}

/// Returns the change-feed row of a change.
pub(crate) fn row(revision: u64, subject: &ChangeSubject) -> Model {
    let (kind, subject) = match subject {
        ChangeSubject::Key(hash) => (KEY, hex(&hash.0)),
        ChangeSubject::Tenant(id) => (TENANT, id.to_string()),
        ChangeSubject::Profile(name) => (PROFILE, name.to_string()),
        ChangeSubject::User(id) => (USER, id.to_string()),
        ChangeSubject::Family(id) => (FAMILY, id.to_string()),
        ChangeSubject::SigningKeys(profile) => (SIGNING_KEYS, profile.to_string()),
    };
    Model { revision: number::to_i64(revision), kind: kind.to_owned(), subject }
}

fn subject(row: &Model) -> Result<ChangeSubject, StoreError> {
    let context = RowContext::new("changes", &row.revision);
    let corrupt = || context.corrupt("subject");
    match row.kind.as_str() {
        KEY => unhex(&row.subject).map(|hash| ChangeSubject::Key(KeyHash(hash))).ok_or_else(corrupt),
        TENANT => row.subject.parse().map(ChangeSubject::Tenant).map_err(|_| corrupt()),
        PROFILE => Ok(ChangeSubject::Profile(row.subject.as_str().into())),
        USER => row.subject.parse().map(ChangeSubject::User).map_err(|_| corrupt()),
        FAMILY => row.subject.parse().map(ChangeSubject::Family).map_err(|_| corrupt()),
        SIGNING_KEYS => Ok(ChangeSubject::SigningKeys(row.subject.as_str().into())),
        _ => Err(context.corrupt("kind")),
    }
}

fn hex(bytes: &[u8; 32]) -> String {
    bytes
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .map(|digit| char::from(DIGITS[usize::from(digit)]))
        .collect()
}

fn unhex(text: &str) -> Option<[u8; 32]> {
    let digit = |c: &u8| DIGITS.iter().position(|d| d == c).and_then(|place| u8::try_from(place).ok());
    let digits: Vec<u8> = text.as_bytes().iter().map(digit).collect::<Option<_>>()?;
    let (pairs, rest) = digits.as_chunks::<2>();
    let bytes: Vec<u8> = pairs.iter().map(|[high, low]| high << 4 | low).collect();
    if rest.is_empty() { bytes.try_into().ok() } else { None }
}

const DIGITS: &[u8; 16] = b"0123456789abcdef";

#[cfg(test)]
mod tests {
    use latchkey_core::id::{FamilyId, TenantId, UserId};

    use super::*;

    #[test]
    fn every_subject_comes_back_as_it_went() {
        let tenant = TenantId(Uuid::from_u128(0x0193_0000_0000_7000_8000_0000_0000_0001));
        let hash = KeyHash(std::array::from_fn(|n| u8::try_from(n * 8).unwrap()));
        for changed in [
            ChangeSubject::Key(hash),
            ChangeSubject::Tenant(tenant),
            ChangeSubject::Profile("luxcore".into()),
            ChangeSubject::User(UserId(tenant.0)),
            ChangeSubject::Family(FamilyId(tenant.0)),
            ChangeSubject::SigningKeys("luxcore".into()),
        ] {
            assert_eq!(subject(&row(7, &changed)).unwrap(), changed);
        }
    }

    #[test]
    fn an_unknown_word_is_not_taken_for_a_known_one() {
        let corrupt =
            |kind: &str, subject: &str| Model { revision: 1, kind: kind.into(), subject: subject.into() };
        for row in [
            corrupt("keys", ""),
            corrupt("key", "00"),
            corrupt("key", &"g".repeat(64)),
            corrupt("tenant", "x"),
        ] {
            assert!(subject(&row).is_err(), "{row:?}");
        }
    }
}
