//! Ends the oldest living families of keys and users that have more than their profile allows.

use std::collections::{BTreeMap, HashMap};

use latchkey_core::id::FamilyId;
use latchkey_core::time::Timestamp;
use latchkey_core::token::TokenSubject;
use sea_orm::Order;
use sea_orm::entity::prelude::*;
use sea_orm::sea_query::{Alias, ExprTrait, Func, Query, SelectStatement, UpdateStatement, WindowStatement};

use super::family::end_of_tokens;
use crate::batch::FamilyStart;
use crate::entity::family;
use crate::error::StoreError;
use crate::pool::PooledConnection;
use crate::query::padded_in_values;

/// Most families of one key or user that end with a start, besides as many as start: some are left where the limit was
/// lowered.
const ENDED_AT_ONCE: u32 = 10;

/// Alias of the families with their ranks.
const RANKED: &str = "ranked";
/// Column of the place of a family among the living ones of its key or user.
const PLACE: &str = "place";

/// Column that refers to the holder, and the limit. Holders with the same ones share a statement.
type Group = (HolderColumn, u32);

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum HolderColumn {
    Key,
    User,
}

/// Ends what is over the limits after families were inserted. Returns the ended families of each start, which are listed
/// at the newest start of their key or user.
pub(super) async fn end_surplus(
    connection: &PooledConnection,
    starts: &[&FamilyStart],
) -> Result<Vec<Vec<FamilyId>>, StoreError> {
    let mut groups: BTreeMap<Group, Vec<Uuid>> = BTreeMap::new();
    let mut newest: HashMap<Uuid, usize> = HashMap::new();
    for (place, start) in starts.iter().enumerate() {
        let (column, holder) = holder(start);
        let known = newest.entry(holder).or_insert(place);
        if starts[*known].family.id <= start.family.id {
            *known = place;
        }
        groups.entry((column, start.most)).or_default().push(holder);
    }
    let mut ended = vec![Vec::new(); starts.len()];
    let started: Vec<Uuid> = starts.iter().map(|start| start.family.id.0).collect();
    let Some(now) = starts.iter().map(|start| start.family.created).max() else { return Ok(ended) };
    for ((column, most), holders) in groups {
        for row in connection.query_all(&end_oldest(column, most, &holders, &started, now)).await? {
            let (id, holder): (Uuid, Uuid) = (row.try_get_by_index(0)?, row.try_get_by_index(1)?);
            if let Some(place) = newest.get(&holder) {
                ended[*place].push(FamilyId(id));
            }
        }
    }
    for ids in &mut ended {
        ids.sort();
    }
    Ok(ended)
}

fn holder(start: &FamilyStart) -> (HolderColumn, Uuid) {
    match start.family.parent {
        TokenSubject::Key(id) => (HolderColumn::Key, id.0),
        TokenSubject::User(id) => (HolderColumn::User, id.0),
    }
}

impl HolderColumn {
    fn column(self) -> family::Column {
        match self {
            Self::Key => family::Column::KeyId,
            Self::User => family::Column::UserId,
        }
    }
}

/// Returns the statement that ends the living families of some holders apart from the newest `most` of each, and returns
/// the identifier and the holder of those that it has ended. `holders` has each holder once for each of its starts.
fn end_oldest(
    column: HolderColumn,
    most: u32,
    holders: &[Uuid],
    started: &[Uuid],
    now: Timestamp,
) -> UpdateStatement {
    let column = column.column();
    let place = || Expr::col(Alias::new(PLACE));
    let starts = u32::try_from(holders.len()).unwrap_or(u32::MAX);
    let surplus = Query::select()
        .column(family::Column::Id)
        .from_subquery(ranked(column, holders, started, now), Alias::new(RANKED))
        .and_where(place().gt(i64::from(most)))
        .and_where(place().lte(i64::from(most.saturating_add(ENDED_AT_ONCE).saturating_add(starts))))
        .take();
    Query::update()
        .table(family::Entity)
        .value(family::Column::EndedAt, now.0)
        .value(family::Column::EndsAt, end_of_tokens(now.0))
        .and_where(family::Column::Id.in_subquery(surplus))
        .and_where(family::Column::EndedAt.is_null())
        .returning(Query::returning().columns([family::Column::Id, column]))
        .take()
}

/// Selects the living families of some holders, each with its place: first those that start now, then by age.
/// Identifiers begin with the time of creation, by the clock of the replica that created the family.
fn ranked(column: family::Column, holders: &[Uuid], started: &[Uuid], now: Timestamp) -> SelectStatement {
    let starts_now = Expr::col(family::Column::Id).is_in(padded_in_values(started).copied());
    let newest_first = WindowStatement::partition_by(column)
        .order_by_expr(starts_now, Order::Desc)
        .order_by(family::Column::Id, Order::Desc)
        .take();
    Query::select()
        .column(family::Column::Id)
        .expr_window_as(Func::cust("ROW_NUMBER"), newest_first, Alias::new(PLACE))
        .from(family::Entity)
        .and_where(column.is_in(padded_in_values(holders).copied()))
        .and_where(family::Column::EndedAt.is_null())
        .and_where(family::Column::EndsAt.gt(now.0))
        .take()
}
