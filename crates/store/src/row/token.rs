//! Rows and records of families, refresh tokens and signing keys.

use std::time::Duration;

use latchkey_core::id::{FamilyId, KeyId, TenantId, UserId};
use latchkey_core::seal::Sealed;
use latchkey_core::secret::KeyHash;
use latchkey_core::time::Timestamp;
use latchkey_core::token::refresh::{FamilyRecord, RefreshRecord, Spent};
use latchkey_core::token::{Parent, SigningKeyRecord};
use sea_orm::ActiveValue::Set;

use super::{Place, json, number};
use crate::entity::{family, refresh, signing_key};
use crate::stop::Stop;

/// What a family's row says.
pub(crate) fn family(row: &family::Model) -> Result<FamilyRecord, Stop> {
    let id = FamilyId(row.id);
    let place = Place::new("token_families", &id);
    let parent = match (row.key_id, row.user_id) {
        (Some(key), None) => Parent::Key(KeyId(key)),
        (None, Some(user)) => Parent::User(UserId(user)),
        // Both, or neither: nobody knows whom it stands for.
        (Some(_), Some(_)) | (None, None) => return Err(place.spoiled("key_id")),
    };
    Ok(FamilyRecord {
        id,
        tenant: TenantId(row.tenant_id),
        parent,
        generation: number::read(place, "generation", row.generation)?,
        audience: row.audience.clone(),
        ttl: Duration::from_secs(number::read(place, "ttl_seconds", row.ttl_seconds)?),
        created: Timestamp(row.created_at),
        ends: Timestamp(row.ends_at),
        ended: row.ended_at.map(Timestamp),
    })
}

/// The row that says it.
pub(crate) fn family_row(record: &FamilyRecord) -> family::ActiveModel {
    let (key, user) = match record.parent {
        Parent::Key(id) => (Some(id.0), None),
        Parent::User(id) => (None, Some(id.0)),
    };
    family::ActiveModel {
        id: Set(record.id.0),
        tenant_id: Set(record.tenant.0),
        key_id: Set(key),
        user_id: Set(user),
        generation: Set(number::stored(record.generation)),
        audience: Set(record.audience.clone()),
        ttl_seconds: Set(number::stored(record.ttl.as_secs())),
        created_at: Set(record.created.0),
        ends_at: Set(record.ends.0),
        ended_at: Set(record.ended.map(|at| at.0)),
    }
}

/// What a refresh token's row says.
pub(crate) fn refresh(row: refresh::Model) -> Result<RefreshRecord, Stop> {
    let family = FamilyId(row.family_id);
    let place = Place::new("refresh_tokens", &family);
    let spent = match (row.spent_at, row.successor, row.successor_scopes) {
        (Some(at), Some(successor), Some(scopes)) => Some(Spent {
            at: Timestamp(at),
            successor: Sealed(successor),
            scopes: place.json("successor_scopes", &scopes)?,
        }),
        (None, None, None) => None,
        _ => return Err(place.spoiled("spent_at")),
    };
    Ok(RefreshRecord {
        hash: row.hash.as_slice().try_into().map(KeyHash).map_err(|_| place.spoiled("hash"))?,
        scopes: place.json("scopes", &row.scopes)?,
        family,
        spent,
    })
}

/// The row that says it.
pub(crate) fn refresh_row(record: &RefreshRecord) -> refresh::ActiveModel {
    let spent = record.spent.as_ref();
    refresh::ActiveModel {
        hash: Set(record.hash.0.to_vec()),
        family_id: Set(record.family.0),
        scopes: Set(scopes(&record.scopes)),
        spent_at: Set(spent.map(|s| s.at.0)),
        successor: Set(spent.map(|s| s.successor.0.clone())),
        successor_scopes: Set(spent.map(|s| scopes(&s.scopes))),
    }
}

/// Scopes as they are stored.
pub(crate) fn scopes(scopes: &[Box<str>]) -> String {
    json(&scopes)
}

/// What a signing key's row says.
pub(crate) fn signing_key(row: signing_key::Model) -> Result<SigningKeyRecord, Stop> {
    let place = Place::new("signing_keys", &row.id);
    Ok(SigningKeyRecord {
        algorithm: row.algorithm.parse().map_err(|_| place.spoiled("algorithm"))?,
        longest: Duration::from_secs(number::read(place, "longest_seconds", row.longest_seconds)?),
        id: row.id.as_str().into(),
        profile: row.profile.into(),
        sealed: Sealed(row.sealed),
        created: Timestamp(row.created_at),
        signs_from: Timestamp(row.signs_from),
        signs_until: row.signs_until.map(Timestamp),
        withdrawn: row.withdrawn_at.map(Timestamp),
    })
}

/// The row that says it.
pub(crate) fn signing_key_row(record: &SigningKeyRecord) -> signing_key::ActiveModel {
    signing_key::ActiveModel {
        id: Set(record.id.to_string()),
        profile: Set(record.profile.to_string()),
        algorithm: Set(record.algorithm.name().to_owned()),
        sealed: Set(record.sealed.0.clone()),
        created_at: Set(record.created.0),
        signs_from: Set(record.signs_from.0),
        signs_until: Set(record.signs_until.map(|at| at.0)),
        longest_seconds: Set(number::stored(record.longest.as_secs())),
        withdrawn_at: Set(record.withdrawn.map(|at| at.0)),
    }
}
