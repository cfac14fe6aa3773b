//! Profiles: the newest version of each, or one version of one.

use latchkey_core::record::ProfileRecord;
use sea_orm::entity::prelude::*;
use sea_orm::sea_query::{ExprTrait, Query};
use sea_orm::{QueryOrder, QuerySelect};

use crate::entity::profile::{Column, Entity};
use crate::pool::Lease;
use crate::row::{self, Place, number};
use crate::stop::Stop;

/// The newest version of every profile, by name.
pub(crate) async fn newest(lease: &Lease) -> Result<Vec<ProfileRecord>, Stop> {
    let newest = Query::select()
        .column(Column::Name)
        .expr(Column::Version.max())
        .from(Entity)
        .group_by_col(Column::Name)
        .take();
    let version = Expr::tuple([Column::Name.into_expr(), Column::Version.into_expr()]);
    let rows = Entity::find().filter(version.in_subquery(newest)).all(lease).await?;
    let mut records: Vec<_> = rows.into_iter().map(row::profile::record).collect::<Result<_, _>>()?;
    records.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    Ok(records)
}

/// The newest revision of any profile; 0, where there is none.
pub(crate) async fn newest_revision(lease: &Lease) -> Result<u64, Stop> {
    let newest = Entity::find().select_only().column_as(Column::Revision.max(), "newest");
    let newest: Option<Option<i64>> = newest.into_tuple().one(lease).await?;
    let place = Place::new("profiles", &"of the newest revision");
    newest.flatten().map_or(Ok(0), |revision| number::read(place, "revision", revision))
}

/// A version of a profile; none: the newest.
pub(crate) async fn version(
    lease: &Lease,
    name: &str,
    version: Option<u64>,
) -> Result<Option<ProfileRecord>, Stop> {
    let query = Entity::find().filter(Column::Name.eq(name)).order_by_desc(Column::Version).limit(1);
    let version = version.map(|version| Column::Version.eq(number::stored(version)));
    let query = version.into_iter().fold(query, QueryFilter::filter);
    query.one(lease).await?.map(row::profile::record).transpose()
}
