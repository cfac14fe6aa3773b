//! Pages of lists: which part of a list to read, and the part that the store returns. A list has an order and, as the
//! last criterion, the identifier, so that each entry has a position of its own.

use std::collections::BTreeMap;

use latchkey_core::id::TenantId;
use latchkey_core::record::KeyState;
use latchkey_core::time::Timestamp;
use uuid::Uuid;

/// Value by which a list is ordered, before the identifier.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OrderValue {
    /// Whole number, such as a time in milliseconds.
    Number(i64),
    /// Text in the form by which the database orders it.
    Text(String),
}

/// Position in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Position {
    /// Value of the order; `None` for the order of creation, which is that of identifiers.
    pub value: Option<OrderValue>,
    /// Identifier of the entry.
    pub id: Uuid,
}

impl Position {
    /// Returns a position in the order of creation.
    #[must_use]
    pub fn of(id: Uuid) -> Self {
        Self { value: None, id }
    }
}

/// Part of a list: its order, where it begins, and how long it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListRange<O> {
    /// Order.
    pub order: O,
    /// True for the reverse order.
    pub descending: bool,
    /// Position after which the part begins; `None` for the beginning of the list.
    pub after: Option<Position>,
    /// Greatest number of entries.
    pub limit: u32,
}

impl<O: Default> ListRange<O> {
    /// Returns the newest entries after a position.
    #[must_use]
    pub fn newest(after: Option<Position>, limit: u32) -> Self {
        Self { order: O::default(), descending: true, after, limit }
    }
}

/// Entries of a list. The store reads a limited number of rows for a page, so a page can have fewer entries than its
/// limit, even none, and still have a next one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListPart<T> {
    /// Entries in the order of the list.
    pub items: Vec<T>,
    /// Position after which the list continues; `None` at its end.
    pub next: Option<Position>,
}

/// Range of times, which selects nothing if it is empty.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TimeRange {
    /// Earliest time, inclusive.
    pub from: Option<Timestamp>,
    /// Latest time, exclusive.
    pub until: Option<Timestamp>,
}

impl TimeRange {
    /// Returns whether the range has no limit.
    #[must_use]
    pub fn is_unlimited(&self) -> bool {
        self.from.is_none() && self.until.is_none()
    }

    /// Returns whether a time is in the range.
    #[must_use]
    pub fn contains(&self, at: Timestamp) -> bool {
        self.from.is_none_or(|from| from <= at) && self.until.is_none_or(|until| at < until)
    }
}

/// Filter by an event that may never happen: the last use of a key, or its expiry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EventFilter {
    /// Time of the event. If it is limited, entries without the event do not match.
    pub time: TimeRange,
    /// True to match entries without the event, besides those of a limited `time`.
    pub never: bool,
}

impl EventFilter {
    /// Returns whether every entry matches.
    #[must_use]
    pub fn matches_all(&self) -> bool {
        self.time.is_unlimited() && !self.never
    }

    /// Returns whether an entry with its event at this time matches.
    #[must_use]
    pub fn matches(&self, at: Option<Timestamp>) -> bool {
        match at {
            None => self.never || self.time.is_unlimited(),
            Some(_) if self.time.is_unlimited() => !self.never,
            Some(at) => self.time.contains(at),
        }
    }
}

/// Order of a list of keys.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum KeyOrder {
    /// Creation.
    #[default]
    Created,
    /// Name, in lower case.
    Name,
    /// Last use; keys that were never used come before all others.
    LastUsed,
    /// Expiry; keys that never expire come after all others.
    Expires,
}

/// Filter of a list of keys. `None` and empty fields match every key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyFilter {
    /// Tenant of the keys; `None` for all tenants.
    pub tenant: Option<TenantId>,
    /// Kind of the keys.
    pub kind: Option<String>,
    /// Environments of the keys; empty for any.
    pub environments: Vec<String>,
    /// States of the keys at a point in time.
    pub states: Option<(Vec<KeyState>, Timestamp)>,
    /// Bindings that the keys must have; they can have others as well.
    pub bindings: BTreeMap<String, String>,
    /// Part of the name, in any case.
    pub name: Option<String>,
    /// Last characters of the value.
    pub hint: Option<String>,
    /// Subject that created the keys.
    pub created_by: Option<String>,
    /// Scopes that the keys must have; they can have others as well.
    pub scopes: Vec<String>,
    /// Other names of these scopes. A key keeps the names that it was granted, and the profile can have them as aliases now.
    pub other_names: BTreeMap<String, Vec<String>>,
    /// Creation.
    pub created: TimeRange,
    /// Last use, as far as it is stored.
    pub last_used: EventFilter,
    /// Expiry.
    pub expires: EventFilter,
}

/// Order of a list of tenants.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TenantOrder {
    /// Creation.
    #[default]
    Created,
    /// Slug.
    Slug,
    /// Display name, in lower case.
    Name,
}

/// Filter of a list of tenants. `None` and empty fields match every tenant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TenantFilter {
    /// Part of the slug or the display name, in any case.
    pub name: Option<String>,
    /// True for suspended tenants, false for the others.
    pub suspended: Option<bool>,
    /// Profile.
    pub profile: Option<String>,
    /// Plan.
    pub plan: Option<String>,
    /// Creation.
    pub created: TimeRange,
    /// Slug of a tenant that is left out.
    pub except: Option<&'static str>,
}

/// Order of a list of users.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UserOrder {
    /// Creation.
    #[default]
    Created,
    /// E-mail address.
    Email,
}

/// Filter of a list of users. `None` and empty fields match every user.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UserFilter {
    /// Tenant of the users; `None` for all tenants.
    pub tenant: Option<TenantId>,
    /// Part of the e-mail address, in any case.
    pub email: Option<String>,
    /// Role.
    pub role: Option<String>,
    /// Environment that the users are confined to.
    pub environment: Option<String>,
    /// True for disabled users, false for the others.
    pub disabled: Option<bool>,
    /// Creation.
    pub created: TimeRange,
}

/// Returns whether a text contains a part, in any case.
#[must_use]
pub fn contains(text: &str, part: &str) -> bool {
    text.to_lowercase().contains(&part.to_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_that_never_happened_matches_only_if_it_is_asked_for() {
        let at = |from: i64, until: i64| TimeRange {
            from: (from > 0).then_some(Timestamp(from)),
            until: (until > 0).then_some(Timestamp(until)),
        };
        let filter = |time, never| EventFilter { time, never };
        let any = filter(at(0, 0), false);
        assert!(any.matches(None) && any.matches(Some(Timestamp(5))) && any.matches_all());
        let never = filter(at(0, 0), true);
        assert!(never.matches(None) && !never.matches(Some(Timestamp(5))));
        let within = filter(at(3, 6), false);
        assert_eq!([2, 3, 5, 6].map(|t| within.matches(Some(Timestamp(t)))), [false, true, true, false]);
        assert!(!within.matches(None));
        let both = filter(at(0, 6), true);
        assert!(both.matches(None) && both.matches(Some(Timestamp(5))) && !both.matches(Some(Timestamp(6))));
    }
}
