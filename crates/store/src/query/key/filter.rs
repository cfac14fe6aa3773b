//! Which keys a page is made of. The database does as much of it as both dialects can say; what it leaves is
//! looked at once more here, so that an odd row costs a little time and never a wrong answer.

use latchkey_core::record::{KeyRecord, KeyState};
use latchkey_core::time::Timestamp;
use latchkey_management::ports::KeyFilter;
use sea_orm::entity::prelude::*;
use sea_orm::sea_query::{Condition, LikeExpr};

use crate::entity::key::Column;
use crate::row;
use crate::row::key::{ACTIVE, DISABLED, REVOKED};

/// What the database looks at.
pub(super) fn condition(filter: &KeyFilter) -> Condition {
    let bindings = filter.bindings.iter().map(|(name, value)| bound(name, value));
    bindings
        .fold(Condition::all(), Condition::add)
        .add_option(filter.kind.as_deref().map(|kind| Column::Kind.eq(kind)))
        .add_option(filter.environment.as_deref().map(|environment| Column::Environment.eq(environment)))
        .add_option(filter.state.map(|(state, now)| in_state(state, now)))
}

/// What is left to look at.
pub(super) fn matches(filter: &KeyFilter, key: &KeyRecord) -> bool {
    let state = filter.state.is_none_or(|(state, now)| key.state(now) == state);
    state && filter.bindings.iter().all(|(name, value)| key.bindings.get(name) == Some(value))
}

/// The same as [`KeyRecord::state`], in SQL.
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

/// Whether the stored JSON holds the pair, as text: it was written by us, so a pair has one spelling. Too
/// much is found where one database ignores case, and taken out by [`holds`].
fn bound(name: &str, value: &str) -> Expr {
    let pair = row::json_map(&[(name.to_owned(), value.to_owned())].into());
    let pair = pair.trim_start_matches('{').trim_end_matches('}');
    let escaped = pair.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_");
    Column::Bindings.like(LikeExpr::new(format!("%{escaped}%")).escape('\\'))
}
