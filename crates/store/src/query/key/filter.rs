//! Filters of key lists. The database applies as much of the filter as both dialects support; the rest is
//! applied here to the rows that it returns, so that an imprecise match costs a little time and never a wrong
//! result.

use latchkey_core::record::{KeyRecord, KeyState};
use latchkey_core::time::Timestamp;
use latchkey_management::ports::KeyFilter;
use sea_orm::entity::prelude::*;
use sea_orm::sea_query::{Condition, LikeExpr};

use crate::entity::key::Column;
use crate::row;
use crate::row::key::{ACTIVE, DISABLED, REVOKED};

/// Returns the part of the filter that the database applies.
pub(super) fn condition(filter: &KeyFilter) -> Condition {
    let bindings = filter.bindings.iter().map(|(name, value)| bound(name, value));
    bindings
        .fold(Condition::all(), Condition::add)
        .add_option(filter.kind.as_deref().map(|kind| Column::Kind.eq(kind)))
        .add_option(in_environments(&filter.environments))
        .add_option(filter.state.map(|(state, now)| in_state(state, now)))
}

fn in_environments(names: &[String]) -> Option<Expr> {
    match names {
        [] => None,
        [only] => Some(Column::Environment.eq(only.as_str())),
        several => Some(Column::Environment.is_in(several)),
    }
}

/// Returns whether a key satisfies the state and the bindings of the filter.
pub(super) fn matches(filter: &KeyFilter, key: &KeyRecord) -> bool {
    let state = filter.state.is_none_or(|(state, now)| key.state(now) == state);
    state && filter.bindings.iter().all(|(name, value)| key.bindings.get(name) == Some(value))
}

/// Expresses [`KeyRecord::state`] in SQL.
fn in_state(state: KeyState, now: Timestamp) -> Condition {
    let lives = Condition::any().add(Column::ExpiresAt.is_null()).add(Column::ExpiresAt.gt(now.0));
    match state {
        KeyState::Revoked => Condition::all().add(Column::State.eq(REVOKED)),
        KeyState::Expired => {
            Condition::all().add(Column::State.ne(REVOKED)).add(Column::ExpiresAt.lte(now.0))
        }
        KeyState::Disabled => active_and(lives, DISABLED),
        KeyState::Active => active_and(lives, ACTIVE),
    }
}

fn active_and(lives: Condition, state: &str) -> Condition {
    Condition::all().add(Column::State.eq(state)).add(lives)
}

/// Matches rows whose stored JSON contains the pair as text; the store writes each pair in one spelling only. A
/// database that ignores case also finds other rows, which [`matches`] removes.
fn bound(name: &str, value: &str) -> Expr {
    let pair = row::json_map(&[(name.to_owned(), value.to_owned())].into());
    let pair = pair.trim_start_matches('{').trim_end_matches('}');
    let escaped = pair.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_");
    Column::Bindings.like(LikeExpr::new(format!("%{escaped}%")).escape('\\'))
}
