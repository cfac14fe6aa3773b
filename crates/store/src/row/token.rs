//! Conversion between rows and records of token families, refresh tokens and signing keys.

use std::time::Duration;

use latchkey_core::id::{FamilyId, KeyId, TenantId, UserId};
use latchkey_core::seal::Sealed;
use latchkey_core::secret::KeyHash;
use latchkey_core::time::Timestamp;
use latchkey_core::token::refresh::{FamilyRecord, Redemption, RefreshRecord};
use latchkey_core::token::{SigningKeyRecord, TokenSubject};
use sea_orm::ActiveValue::Set;

use super::{RowContext, json, number};
use crate::entity::{family, refresh, signing_key};
use crate::error::StoreError;

/// Converts a family's row into a record.
pub(crate) fn family(row: &family::Model) -> Result<FamilyRecord, StoreError> {
    let id = FamilyId(row.id);
    let context = RowContext::new("token_families", &id);
    let parent = match (row.key_id, row.user_id) {
        (Some(key), None) => TokenSubject::Key(KeyId(key)),
        (None, Some(user)) => TokenSubject::User(UserId(user)),
        // Both or neither: the family's owner is undefined.
        (Some(_), Some(_)) | (None, None) => return Err(context.corrupt("key_id")),
    };
    Ok(FamilyRecord {
        id,
        tenant: TenantId(row.tenant_id),
        parent,
        generation: number::to_u64(context, "generation", row.generation)?,
        audience: row.audience.clone(),
        ttl: Duration::from_secs(number::to_u64(context, "ttl_seconds", row.ttl_seconds)?),
        created: Timestamp(row.created_at),
        ends: Timestamp(row.ends_at),
        ended: row.ended_at.map(Timestamp),
    })
}

/// Converts a family's record into its row.
pub(crate) fn family_row(record: &FamilyRecord) -> family::ActiveModel {
    let (key, user) = match record.parent {
        TokenSubject::Key(id) => (Some(id.0), None),
        TokenSubject::User(id) => (None, Some(id.0)),
    };
    family::ActiveModel {
        id: Set(record.id.0),
        tenant_id: Set(record.tenant.0),
        key_id: Set(key),
        user_id: Set(user),
        generation: Set(number::to_i64(record.generation)),
        audience: Set(record.audience.clone()),
        ttl_seconds: Set(number::to_i64(record.ttl.as_secs())),
        created_at: Set(record.created.0),
        ends_at: Set(record.ends.0),
        ended_at: Set(record.ended.map(|at| at.0)),
    }
}

/// Converts a refresh token's row into a record.
pub(crate) fn refresh(row: refresh::Model) -> Result<RefreshRecord, StoreError> {
    let family = FamilyId(row.family_id);
    let context = RowContext::new("refresh_tokens", &family);
    let spent = match (row.spent_at, row.successor, row.successor_scopes) {
        (Some(at), Some(successor), Some(scopes)) => Some(Redemption {
            at: Timestamp(at),
            successor: Sealed(successor),
            scopes: context.json("successor_scopes", &scopes)?,
        }),
        (None, None, None) => None,
        _ => return Err(context.corrupt("spent_at")),
    };
    Ok(RefreshRecord {
        hash: row.hash.as_slice().try_into().map(KeyHash).map_err(|_| context.corrupt("hash"))?,
        scopes: context.json("scopes", &row.scopes)?,
        family,
        spent,
    })
}

/// Converts a refresh token's record into its row.
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

/// Returns scopes in their stored form, a JSON array.
pub(crate) fn scopes(scopes: &[Box<str>]) -> String {
    json(&scopes)
}

/// Converts a signing key's row into a record.
pub(crate) fn signing_key(row: signing_key::Model) -> Result<SigningKeyRecord, StoreError> {
    let context = RowContext::new("signing_keys", &row.id);
    Ok(SigningKeyRecord {
        algorithm: row.algorithm.parse().map_err(|_| context.corrupt("algorithm"))?,
        longest_ttl: Duration::from_secs(number::to_u64(context, "longest_seconds", row.longest_seconds)?),
        id: row.id.as_str().into(),
        profile: row.profile.into(),
        sealed: Sealed(row.sealed),
        created: Timestamp(row.created_at),
        signs_from: Timestamp(row.signs_from),
        signs_until: row.signs_until.map(Timestamp),
        withdrawn: row.withdrawn_at.map(Timestamp),
    })
}

/// Converts a signing key's record into its row.
pub(crate) fn signing_key_row(record: &SigningKeyRecord) -> signing_key::ActiveModel {
    signing_key::ActiveModel {
        id: Set(record.id.to_string()),
        profile: Set(record.profile.to_string()),
        algorithm: Set(record.algorithm.name().to_owned()),
        sealed: Set(record.sealed.0.clone()),
        created_at: Set(record.created.0),
        signs_from: Set(record.signs_from.0),
        signs_until: Set(record.signs_until.map(|at| at.0)),
        longest_seconds: Set(number::to_i64(record.longest_ttl.as_secs())),
        withdrawn_at: Set(record.withdrawn.map(|at| at.0)),
    }
}
