//! Ends the oldest living families of keys and users that have more than their profile allows. The cost of finding them grows
//! with the limit, so a large limit is applied at some of the starts alone, and by a statement for each key or user that
//! reads its families in the order of an index.

use std::collections::{BTreeMap, BTreeSet, HashMap};

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

/// Limits above this one are large.
const LARGE: u32 = 10_000;
/// Largest mean number of starts of one key or user between two applications of a large limit.
const MOST_STARTS_BETWEEN: u32 = 100;

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
        if start.most <= LARGE {
            groups.entry((column, start.most)).or_default().push(holder);
        }
    }
    let mut ended = vec![Vec::new(); starts.len()];
    let started: Vec<Uuid> = starts.iter().map(|start| start.family.id.0).collect();
    let Some(now) = starts.iter().map(|start| start.family.created).max() else { return Ok(ended) };
    let small = groups.iter().map(|((column, most), holders)| {
        let surplus = beyond_small(*column, *most, holders, &started, now);
        end(*column, surplus, now)
    });
    let large = due(starts).into_iter().map(|(column, holder, most)| {
        let surplus = beyond_large(column, holder, most, starts, now);
        end(column, surplus, now)
    });
    let statements: Vec<UpdateStatement> = small.chain(large).collect();
    for statement in statements {
        for row in connection.query_all(&statement).await? {
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

/// Returns the keys and users with a large limit to which it is applied now. Identifiers end with random bits, which choose
/// the starts.
fn due(starts: &[&FamilyStart]) -> BTreeSet<(HolderColumn, Uuid, u32)> {
    let chosen = |start: &&&FamilyStart| {
        start.most > LARGE
            && start.family.id.0.as_u128().is_multiple_of(u128::from(starts_between(start.most)))
    };
    let large = starts.iter().filter(chosen).map(|start| {
        let (column, holder) = holder(start);
        (column, holder, start.most)
    });
    large.collect()
}

/// Returns the mean number of starts between two applications of a large limit.
fn starts_between(most: u32) -> u32 {
    (most / 1_000).clamp(1, MOST_STARTS_BETWEEN)
}

/// Returns the statement that ends living families, and returns the identifier and the holder of those that it has ended.
fn end(column: HolderColumn, surplus: SelectStatement, now: Timestamp) -> UpdateStatement {
    Query::update()
        .table(family::Entity)
        .value(family::Column::EndedAt, now.0)
        .value(family::Column::EndsAt, end_of_tokens(now.0))
        .and_where(family::Column::Id.in_subquery(surplus))
        .and_where(family::Column::EndedAt.is_null())
        .returning(Query::returning().columns([family::Column::Id, column.column()]))
        .take()
}

/// Selects the living families of some holders apart from the newest `most` of each. `holders` has each holder once for
/// each of its starts.
fn beyond_small(
    column: HolderColumn,
    most: u32,
    holders: &[Uuid],
    started: &[Uuid],
    now: Timestamp,
) -> SelectStatement {
    let place = || Expr::col(Alias::new(PLACE));
    let starts = u32::try_from(holders.len()).unwrap_or(u32::MAX);
    Query::select()
        .column(family::Column::Id)
        .from_subquery(ranked(column.column(), holders, started, now), Alias::new(RANKED))
        .and_where(place().gt(i64::from(most)))
        .and_where(place().lte(i64::from(most.saturating_add(ENDED_AT_ONCE).saturating_add(starts))))
        .take()
}

/// Selects the living families of a holder apart from the newest `most`, which include those that start now. A transaction
/// has fewer starts than a large limit.
fn beyond_large(
    column: HolderColumn,
    of: Uuid,
    most: u32,
    starts: &[&FamilyStart],
    now: Timestamp,
) -> SelectStatement {
    let own = starts.iter().filter(|start| holder(start).1 == of);
    let own: Vec<Uuid> = own.map(|start| start.family.id.0).collect();
    let kept = u64::from(most).saturating_sub(own.len() as u64);
    let at_once = u64::from(ENDED_AT_ONCE + 2 * starts_between(most));
    Query::select()
        .column(family::Column::Id)
        .from(family::Entity)
        .and_where(column.column().eq(of))
        .and_where(family::Column::EndedAt.is_null())
        .and_where(family::Column::EndsAt.gt(now.0))
        .and_where(family::Column::Id.is_not_in(padded_in_values(&own).copied()))
        .order_by(family::Column::Id, Order::Desc)
        .limit(at_once)
        .offset(kept)
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
