//! The change feed as followers read it: changes after a revision, in order and without a gap.

use latchkey_core::ports::{Change, ChangeEffect, ChangeSubject, FeedExtent, HistoryHash, PendingChange};
use latchkey_core::secret::KeyHash;
use sea_orm::entity::prelude::*;
use sea_orm::{DbBackend, QueryOrder, QuerySelect, QueryTrait, Statement};

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
/// Prefix of the effect of a withdrawal, before the identifier of the signing key.
const WITHDRAWN: &str = "withdrawn:";

/// Identifier of the row of the head that is used.
pub(crate) const HEAD_ROW: i32 = 1;

/// Returns changes from the revision `from` on, up to `head`, the newest revision of the database; the first of them may have
/// been pruned. Stops before a row whose revision is not the next one: a follower that skipped a revision would never see its
/// change.
pub(crate) async fn changes(
    connection: &PooledConnection,
    from: u64,
    head: u64,
    limit: u32,
) -> Result<Vec<Change>, StoreError> {
    let query = Entity::find().filter(Column::Revision.gte(number::to_i64(from)));
    let query = query.filter(Column::Revision.lte(number::to_i64(head)));
    let rows = query.order_by_asc(Column::Revision).limit(u64::from(limit)).all(connection).await?;
    let first = rows.first().map_or(from, |row| u64::try_from(row.revision).unwrap_or_default());
    if first > from.saturating_add(1) {
        return Ok(Vec::new());
    }
    let next = |(expected, row): &(u64, Model)| u64::try_from(row.revision) == Ok(*expected);
    let following = (first..).zip(rows).take_while(next);
    following.map(|(revision, row)| change(revision, &row)).collect()
}

pub(super) fn change(revision: u64, row: &Model) -> Result<Change, StoreError> {
    let effect = row.effect.as_deref().map(|text| effect(row, text)).transpose()?;
    let history = row.history.as_deref().map(|hash| history(row.revision, hash)).transpose()?;
    Ok(Change { revision, subject: subject(row)?, effect, history })
}

fn history(revision: i64, hash: &[u8]) -> Result<HistoryHash, StoreError> {
    hash.try_into().map_err(|_| RowContext::new("changes", &revision).corrupt("history"))
}

/// Returns revisions up to `newest` with their histories, newest first. Rows without a history are left out.
pub(crate) async fn histories(
    connection: &PooledConnection,
    newest: u64,
    limit: u32,
) -> Result<Vec<(u64, HistoryHash)>, StoreError> {
    let query = Entity::find().select_only().columns([Column::Revision, Column::History]);
    let query =
        query.filter(Column::Revision.lte(number::to_i64(newest))).filter(Column::History.is_not_null());
    let query = query.order_by_desc(Column::Revision).limit(u64::from(limit));
    let rows: Vec<(i64, Vec<u8>)> = query.into_tuple().all(connection).await?;
    let read = |(revision, hash): &(i64, Vec<u8>)| {
        let context = RowContext::new("changes", revision);
        Ok((number::to_u64(context, "revision", *revision)?, history(*revision, hash)?))
    };
    rows.iter().map(read).collect()
}

/// Returns the history at a revision; `None` if it is unknown.
pub(crate) async fn history_at(
    connection: &PooledConnection,
    revision: u64,
) -> Result<Option<HistoryHash>, StoreError> {
    let found: Option<Option<Vec<u8>>> = of_history(revision).into_tuple().one(connection).await?;
    found.flatten().map(|hash| history(number::to_i64(revision), &hash)).transpose()
}

fn of_history(revision: u64) -> Select<Entity> {
    Entity::find_by_id(number::to_i64(revision)).select_only().column(Column::History)
}

/// Returns the SQL text of [`history_at`] on PostgreSQL, so that a connection can prepare it in advance.
pub(crate) fn text_of_history() -> String {
    // `one` adds the limit.
    of_history(0).limit(1).build(DbBackend::Postgres).sql
}

/// Returns the newest revision of the database.
pub(crate) async fn revision(connection: &PooledConnection) -> Result<u64, StoreError> {
    let head = head(connection).await?;
    number::to_u64(RowContext::new("head", &head.id), "revision", head.revision)
}

/// Returns the current head.
pub(crate) async fn head(connection: &PooledConnection) -> Result<head::Model, StoreError> {
    let head = head::Entity::find_by_id(HEAD_ROW).one(connection).await?;
    head.ok_or_else(|| RowContext::new("head", &HEAD_ROW).corrupt("being missing"))
}

/// Returns the newest revision of the database and that of the feed, as of one moment.
pub(crate) async fn extent(connection: &PooledConnection) -> Result<FeedExtent, StoreError> {
    let sql = "SELECT h.revision AS head, (SELECT MAX(revision) FROM changes) AS newest, \
               (SELECT COUNT(*) FROM head) AS heads FROM head h WHERE h.id = 1";
    let row =
        connection.query_one_raw(Statement::from_string(connection.get_database_backend(), sql)).await?;
    let context = RowContext::new("head", &HEAD_ROW);
    let row = row.ok_or_else(|| context.corrupt("being missing"))?;
    let newest: Option<i64> = row.try_get("", "newest")?;
    let newest = newest.map(|newest| number::to_u64(RowContext::new("changes", &newest), "revision", newest));
    Ok(FeedExtent {
        head: number::to_u64(context, "revision", row.try_get("", "head")?)?,
        newest: newest.transpose()?,
        heads: number::to_u64(context, "id", row.try_get("", "heads")?)?,
    })
}

/// Returns the change-feed row of a change, which was written with the audit event of this hash.
pub(crate) fn row(revision: u64, change: &PendingChange, history: &[u8]) -> Model {
    let (kind, subject) = match &change.subject {
        ChangeSubject::Key(hash) => (KEY, hex(&hash.0)),
        ChangeSubject::Tenant(id) => (TENANT, id.to_string()),
        ChangeSubject::Profile(name) => (PROFILE, name.to_string()),
        ChangeSubject::User(id) => (USER, id.to_string()),
        ChangeSubject::Family(id) => (FAMILY, id.to_string()),
        ChangeSubject::SigningKeys(profile) => (SIGNING_KEYS, profile.to_string()),
    };
    let effect = change.effect.as_ref().map(effect_text);
    let (revision, history) = (number::to_i64(revision), Some(history.to_vec()));
    Model { revision, kind: kind.to_owned(), subject, effect, history }
}

fn effect_text(effect: &ChangeEffect) -> String {
    match effect {
        ChangeEffect::Revoked => "revoked".to_owned(),
        ChangeEffect::Suspended => "suspended".to_owned(),
        ChangeEffect::Disabled => "disabled".to_owned(),
        ChangeEffect::Restricted => "restricted".to_owned(),
        ChangeEffect::Ended => "ended".to_owned(),
        ChangeEffect::Withdrawn(id) => format!("{WITHDRAWN}{id}"),
    }
}

fn effect(row: &Model, text: &str) -> Result<ChangeEffect, StoreError> {
    Ok(match text {
        "revoked" => ChangeEffect::Revoked,
        "suspended" => ChangeEffect::Suspended,
        "disabled" => ChangeEffect::Disabled,
        "restricted" => ChangeEffect::Restricted,
        "ended" => ChangeEffect::Ended,
        _ => match text.strip_prefix(WITHDRAWN) {
            Some(id) => ChangeEffect::Withdrawn(id.into()),
            None => return Err(RowContext::new("changes", &row.revision).corrupt("effect")),
        },
    })
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
            let row = row(7, &changed.clone().into(), &[1; 32]);
            let change = change(7, &row).unwrap();
            assert_eq!((change.subject, change.effect, change.history), (changed, None, Some([1; 32])));
        }
    }

    #[test]
    fn every_effect_comes_back_as_it_went() {
        for effect in [
            ChangeEffect::Revoked,
            ChangeEffect::Suspended,
            ChangeEffect::Disabled,
            ChangeEffect::Restricted,
            ChangeEffect::Ended,
            ChangeEffect::Withdrawn("k1".into()),
        ] {
            let pending = ChangeSubject::Key(KeyHash([0; 32])).with_effect(Some(effect.clone()));
            assert_eq!(change(1, &row(1, &pending, &[0; 32])).unwrap().effect, Some(effect));
        }
    }

    #[test]
    fn an_unknown_word_is_not_taken_for_a_known_one() {
        let corrupt = |kind: &str, subject: &str| Model {
            revision: 1,
            kind: kind.into(),
            subject: subject.into(),
            effect: None,
            history: None,
        };
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
