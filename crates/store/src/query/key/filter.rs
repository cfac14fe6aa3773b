//! Filters of key lists. The database applies as much of the filter as both dialects support; the rest is
//! applied here to the rows that it returns, so that an imprecise match costs a little time and never a wrong
//! result.

use latchkey_core::record::{KeyRecord, KeyState};
use latchkey_core::time::Timestamp;
use latchkey_management::ports::{KeyFilter, KeyOrder, listing};
use sea_orm::entity::prelude::*;
use sea_orm::sea_query::{Condition, ExprTrait, LikeExpr, Query, SelectStatement};

use super::super::walk::{self, ColumnName};
use super::KEY;
use crate::entity::key::Column;
use crate::entity::{grant, key_last_use};
use crate::row;
use crate::row::key::{ACTIVE, DISABLED, NEVER_EXPIRES, NEVER_USED, REVOKED};

/// Alias of the table of last uses.
pub(super) const USE: &str = "l";
/// Expiry, with the largest integer for none.
pub(super) const EXPIRES_ORDER: ColumnName = (KEY, "expires_order");
/// Time of the last use, with the smallest integer for none.
pub(super) const USED_AT: ColumnName = (USE, "used_at");

fn col(column: Column) -> Expr {
    Expr::col((KEY, column))
}

/// Returns the part of the filter that the database applies to rows of keys. The conditions that the walk of an order
/// contains are left out.
pub(super) fn condition(filter: &KeyFilter, order: KeyOrder) -> Condition {
    let bindings = filter.bindings.iter().map(|(name, value)| bound(name, value));
    let mut condition = bindings
        .fold(Condition::all(), Condition::add)
        .add_option(filter.kind.as_deref().map(|kind| col(Column::Kind).eq(kind)))
        .add_option(in_environments(&filter.environments))
        .add_option(filter.states.as_ref().map(|(states, now)| in_states(states, *now)))
        .add_option(filter.name.as_deref().map(|part| walk::contains(Expr::col((KEY, "name_order")), part)))
        .add_option(filter.hint.as_deref().map(|hint| col(Column::Hint).eq(hint)))
        .add_option(filter.created_by.as_deref().map(|subject| col(Column::CreatedBy).eq(subject)));
    if !filter.created.is_unlimited() {
        condition = condition.add(walk::within(&col(Column::CreatedAt), filter.created));
    }
    if !filter.expires.matches_all() && order != KeyOrder::Expires {
        condition = condition.add(expires(filter));
    }
    if !filter.last_used.matches_all() && order != KeyOrder::LastUsed {
        condition = condition.add(last_used(filter));
    }
    filter.scopes.iter().map(|scope| granted(scope, filter)).fold(condition, Condition::add)
}

/// Returns the condition for the expiry.
pub(super) fn expires(filter: &KeyFilter) -> Condition {
    walk::event(&Expr::col(EXPIRES_ORDER), filter.expires, NEVER_EXPIRES)
}

/// Returns the condition for the last use, for rows of last uses.
pub(super) fn used_at(filter: &KeyFilter) -> Condition {
    walk::event(&Expr::col(USED_AT), filter.last_used, NEVER_USED)
}

/// Returns the condition for the last use, for rows of keys.
fn last_used(filter: &KeyFilter) -> Expr {
    let mut uses = Query::select();
    uses.expr(Expr::val(1)).from_as(key_last_use::Entity, USE);
    uses.and_where(Expr::col((USE, key_last_use::Column::KeyId)).equals((KEY, Column::Id)));
    Expr::exists(uses.cond_where(used_at(filter)).take())
}

/// Returns the condition that a key has a scope of a filter, by its name or by one of its other names.
fn granted(scope: &str, filter: &KeyFilter) -> Expr {
    let name = Expr::col(("s", grant::Column::Scope));
    let others = filter.other_names.get(scope).map(Vec::as_slice).unwrap_or_default();
    let is_granted = match others {
        [] => name.eq(scope),
        others => name.is_in(others.iter().map(String::as_str).chain([scope])),
    };
    let mut grants = Query::select();
    grants.expr(Expr::val(1)).from_as(grant::Entity, "s");
    grants.and_where(Expr::col(("s", grant::Column::KeyId)).equals((KEY, Column::Id)));
    grants.and_where(is_granted);
    Expr::exists(grants.take())
}

fn in_environments(names: &[String]) -> Option<Expr> {
    match names {
        [] => None,
        [only] => Some(col(Column::Environment).eq(only.as_str())),
        several => Some(col(Column::Environment).is_in(several)),
    }
}

/// Returns whether a key satisfies those parts of the filter that a database may match imprecisely.
pub(super) fn matches(filter: &KeyFilter, key: &KeyRecord) -> bool {
    let state = filter.states.as_ref().is_none_or(|(states, now)| states.contains(&key.state(*now)));
    state
        && filter.name.as_deref().is_none_or(|part| listing::contains(&key.name, part))
        && filter.bindings.iter().all(|(name, value)| key.bindings.get(name) == Some(value))
}

fn in_states(states: &[KeyState], now: Timestamp) -> Condition {
    states.iter().map(|state| in_state(*state, now)).fold(Condition::any(), Condition::add)
}

/// Expresses [`KeyRecord::state`] in SQL.
fn in_state(state: KeyState, now: Timestamp) -> Condition {
    let lives = Expr::col(EXPIRES_ORDER).gt(now.0);
    let is = |state: &str| Condition::all().add(col(Column::State).eq(state));
    match state {
        KeyState::Revoked => is(REVOKED),
        KeyState::Expired => {
            Condition::all().add(col(Column::State).ne(REVOKED)).add(Expr::col(EXPIRES_ORDER).lte(now.0))
        }
        KeyState::Disabled => is(DISABLED).add(lives),
        KeyState::Active => is(ACTIVE).add(lives),
    }
}

/// Matches rows whose stored JSON contains the pair as text; the store writes each pair in one spelling only. A
/// database that ignores case also finds other rows, which [`matches`] removes.
fn bound(name: &str, value: &str) -> Expr {
    let pair = row::json_map(&[(name.to_owned(), value.to_owned())].into());
    let pair = pair.trim_start_matches('{').trim_end_matches('}');
    let escaped = pair.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_");
    col(Column::Bindings).like(LikeExpr::new(format!("%{escaped}%")).escape('\\'))
}

/// Returns statements for the identifiers of keys that match one condition of the filter which an index serves, the
/// most selective first.
pub(super) fn selective(filter: &KeyFilter) -> Vec<SelectStatement> {
    let keys = || {
        let mut query = Query::select();
        query.expr_as(Expr::col((KEY, Column::Id)), "id").from_as(crate::entity::key::Entity, KEY);
        query.and_where_option(filter.tenant.map(|tenant| col(Column::TenantId).eq(tenant.0))).take()
    };
    let mut statements = Vec::new();
    let equal = [(Column::Hint, &filter.hint), (Column::CreatedBy, &filter.created_by)];
    for (column, value) in equal {
        if let Some(value) = value {
            statements.push(keys().and_where(col(column).eq(value.as_str())).take());
        }
    }
    if !filter.last_used.matches_all() {
        let mut query = Query::select();
        query.expr_as(Expr::col((USE, key_last_use::Column::KeyId)), "id");
        query.from_as(key_last_use::Entity, USE).cond_where(used_at(filter));
        let of_tenant = |id: Uuid| Expr::col((USE, key_last_use::Column::TenantId)).eq(id);
        statements.push(query.and_where_option(filter.tenant.map(|tenant| of_tenant(tenant.0))).take());
    }
    if !filter.expires.matches_all() {
        statements.push(keys().cond_where(expires(filter)).take());
    }
    if let Some((states, now)) = &filter.states {
        statements.extend(by_state(filter, states, *now, keys));
    }
    statements
}

fn by_state(
    filter: &KeyFilter,
    states: &[KeyState],
    now: Timestamp,
    keys: impl Fn() -> SelectStatement,
) -> Option<SelectStatement> {
    let all = |of: &[KeyState]| states.iter().all(|state| of.contains(state));
    if all(&[KeyState::Expired]) {
        return Some(keys().and_where(Expr::col(EXPIRES_ORDER).lte(now.0)).take());
    }
    if all(&[KeyState::Active, KeyState::Disabled]) && states.contains(&KeyState::Active) {
        return Some(keys().and_where(Expr::col(EXPIRES_ORDER).gt(now.0)).take());
    }
    if all(&[KeyState::Revoked, KeyState::Disabled]) && filter.tenant.is_some() {
        let names = states.iter().map(|state| if *state == KeyState::Revoked { REVOKED } else { DISABLED });
        // The literal makes both planners choose the index of keys that are not active.
        let partial = Expr::cust("\"k\".\"state\" <> 'active'");
        return Some(keys().and_where(partial).and_where(col(Column::State).is_in(names)).take());
    }
    None
}
