//! Conversion between a profile version's row and its record.

use latchkey_core::record::ProfileRecord;
use latchkey_core::time::Timestamp;
use sea_orm::ActiveValue::Set;

use super::{RowContext, number};
use crate::entity::profile;
use crate::error::StoreError;

/// Converts a row into a record.
pub(crate) fn record(row: profile::Model) -> Result<ProfileRecord, StoreError> {
    let context = RowContext::new("profiles", &row.name);
    Ok(ProfileRecord {
        version: number::to_u64(context, "version", row.version)?,
        revision: number::to_u64(context, "revision", row.revision)?,
        name: row.name.into(),
        document: row.document,
        applied: Timestamp(row.applied_at),
        applied_by: row.applied_by.unwrap_or_default().into(),
        comment: row.comment.unwrap_or_default().into(),
    })
}

/// Converts a record into its row.
pub(crate) fn row(record: &ProfileRecord) -> profile::ActiveModel {
    profile::ActiveModel {
        name: Set(record.name.to_string()),
        version: Set(number::to_i64(record.version)),
        document: Set(record.document.clone()),
        applied_at: Set(record.applied.0),
        revision: Set(number::to_i64(record.revision)),
        applied_by: Set(Some(record.applied_by.to_string())),
        comment: Set(Some(record.comment.to_string())),
    }
}
