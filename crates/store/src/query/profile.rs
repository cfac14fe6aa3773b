//! Reads profiles: the newest version of each, or one version of one profile.

use latchkey_core::record::{ProfileRecord, ProfileSecretRecord};
use latchkey_core::seal::Sealed;
use latchkey_core::time::Timestamp;
use sea_orm::entity::prelude::*;
use sea_orm::sea_query::{ExprTrait, Query, SelectStatement};
use sea_orm::{Iterable, QueryOrder, QuerySelect};

use super::column_alias;
use crate::entity::profile::{Column, Entity};
use crate::entity::tenant;
use crate::error::StoreError;
use crate::pool::PooledConnection;
use crate::row::{self, RowContext, number};

/// Document in the row that stays of a deleted profile.
const DELETED: &str = "";
/// Alias of the profiles' table in a subquery.
const PROFILE: &str = "p";

/// Returns whether a row is what stays of a deleted profile.
pub(crate) fn is_deleted(record: &ProfileRecord) -> bool {
    record.document == DELETED
}

/// Returns the newest version of every profile, ordered by name.
pub(crate) async fn newest(connection: &PooledConnection) -> Result<Vec<ProfileRecord>, StoreError> {
    let newest = Query::select()
        .column(Column::Name)
        .expr(Column::Version.max())
        .from(Entity)
        .group_by_col(Column::Name)
        .take();
    let version = Expr::tuple([Column::Name.into_expr(), Column::Version.into_expr()]);
    let rows = Entity::find().filter(version.in_subquery(newest)).all(connection).await?;
    let mut records: Vec<_> = rows.into_iter().map(row::profile::record).collect::<Result<_, _>>()?;
    records.retain(|record| !is_deleted(record));
    records.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    Ok(records)
}

/// Adds the newest version of the profile of each tenant, whose table has this alias, to a query.
pub(super) fn select_newest_of(query: &mut SelectStatement, tenant: &'static str) {
    let of_tenant = Expr::col((PROFILE, Column::Name)).equals((tenant, tenant::Column::Profile));
    let newest = Query::select()
        .expr(Expr::col((PROFILE, Column::Version)).max())
        .from_as(Entity, PROFILE)
        .and_where(of_tenant)
        .take();
    query.expr_as(Expr::SubQuery(None, Box::new(newest.into())), column_alias(PROFILE, "version"));
}

/// Reads the version that [`select_newest_of`] adds; `None` if no profile has the name.
pub(super) fn newest_of(row: &QueryResult) -> Result<Option<u64>, StoreError> {
    let newest: Option<i64> = row.try_get("", &column_alias(PROFILE, "version"))?;
    Ok(newest.and_then(|version| u64::try_from(version).ok()))
}

/// Returns the secrets of all profiles, ordered by profile and name.
pub(crate) async fn secrets(connection: &PooledConnection) -> Result<Vec<ProfileSecretRecord>, StoreError> {
    use crate::entity::profile_secret::{Column, Entity};
    let query = Entity::find().order_by_asc(Column::Profile).order_by_asc(Column::Name);
    let record = |row: crate::entity::profile_secret::Model| ProfileSecretRecord {
        profile: row.profile.into(),
        name: row.name.into(),
        sealed: Sealed(row.sealed),
        set: Timestamp(row.set_at),
    };
    Ok(query.all(connection).await?.into_iter().map(record).collect())
}

/// Returns the newest revision of any profile, or 0 if there is none.
pub(crate) async fn newest_revision(connection: &PooledConnection) -> Result<u64, StoreError> {
    let newest = Entity::find().select_only().column_as(Column::Revision.max(), "newest");
    let newest = newest.filter(Column::Document.ne(DELETED));
    let newest: Option<Option<i64>> = newest.into_tuple().one(connection).await?;
    let context = RowContext::new("profiles", &"of the newest revision");
    newest.flatten().map_or(Ok(0), |revision| number::to_u64(context, "revision", revision))
}

/// Returns a version of a profile; without a number, the newest.
pub(crate) async fn version(
    connection: &PooledConnection,
    name: &str,
    version: Option<u64>,
) -> Result<Option<ProfileRecord>, StoreError> {
    let query = Entity::find().filter(Column::Name.eq(name)).order_by_desc(Column::Version).limit(1);
    let version = version.map(|version| Column::Version.eq(number::to_i64(version)));
    let query = version.into_iter().fold(query, QueryFilter::filter);
    let found = query.one(connection).await?.map(row::profile::record).transpose()?;
    Ok(found.filter(|record| !is_deleted(record)))
}

/// Returns the row with the highest version of a profile, also of a deleted one.
pub(crate) async fn last_row(
    connection: &PooledConnection,
    name: &str,
) -> Result<Option<ProfileRecord>, StoreError> {
    let query = Entity::find().filter(Column::Name.eq(name)).order_by_desc(Column::Version).limit(1);
    query.one(connection).await?.map(row::profile::record).transpose()
}

/// Returns versions of a profile that are older than `before`, newest first, without their documents.
pub(crate) async fn versions(
    connection: &PooledConnection,
    name: &str,
    before: Option<u64>,
    limit: u32,
) -> Result<Vec<ProfileRecord>, StoreError> {
    let columns = Column::iter().filter(|column| !matches!(column, Column::Document));
    let query = Entity::find().select_only().columns(columns).expr_as(Expr::val(""), "document");
    let query = query.filter(Column::Name.eq(name)).filter(Column::Document.ne(DELETED));
    let query = query.order_by_desc(Column::Version).limit(u64::from(limit));
    let older = before.map(|version| Column::Version.lt(number::to_i64(version)));
    let query = older.into_iter().fold(query, QueryFilter::filter);
    query.all(connection).await?.into_iter().map(row::profile::record).collect()
}
