//! Changes between two versions of a profile, as plain data: the effect of each on callers, and the keys, users and
//! tenants that it affects. The profile crate finds changes; the store counts the affected keys, users and tenants.

/// Effect of a change on callers, in the order in which changes are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ChangeEffect {
    /// More calls pass, or a credential can do more.
    GrantsMore,
    /// Keys or users that no call is allowed with any more.
    StopsWorking,
    /// Fewer calls pass, or a credential can do less.
    LosesAccess,
    /// A rate limit that is lower, or a new one.
    LimitLowered,
    /// A rate limit that is higher.
    LimitRaised,
    /// Texts, headers and endpoints that clients or upstreams see.
    AnswerChanges,
    /// Every other change.
    Other,
}

impl ChangeEffect {
    /// Every effect, in the order in which changes are shown.
    pub const ALL: [Self; 7] = [
        Self::GrantsMore,
        Self::StopsWorking,
        Self::LosesAccess,
        Self::LimitLowered,
        Self::LimitRaised,
        Self::AnswerChanges,
        Self::Other,
    ];

    /// Returns the heading of a group of changes.
    #[must_use]
    pub fn heading(self) -> &'static str {
        match self {
            Self::GrantsMore => "grants more",
            Self::StopsWorking => "stops working",
            Self::LosesAccess => "takes access away",
            Self::LimitLowered => "lowers limits",
            Self::LimitRaised => "raises limits",
            Self::AnswerChanges => "changes answers",
            Self::Other => "other changes",
        }
    }
}

/// Keys of a profile that a change affects. Only active keys that have not expired are counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AffectedKeys {
    /// Kind, environment and prefix of the keys, as they are stored; empty for all keys.
    pub groups: Vec<KeyGroup>,
    /// Kinds of the keys; empty for all keys.
    pub kinds: Vec<Box<str>>,
    /// Scopes of which a key has at least one; empty for all keys.
    pub scopes: Vec<Box<str>>,
    /// Environment of the keys; `None` for all keys.
    pub environment: Option<Box<str>>,
}

/// Keys that have their kind, environment and prefix in common.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyGroup {
    /// Name of the kind.
    pub kind: Box<str>,
    /// Environment.
    pub environment: Box<str>,
    /// Prefix of the values.
    pub prefix: Box<str>,
}

/// Keys, users or tenants of a profile that a change affects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AffectedRecords {
    /// Active keys.
    Keys(AffectedKeys),
    /// Users that are not disabled.
    Users {
        /// Roles of the users; empty for all users.
        roles: Vec<Box<str>>,
        /// Environment that the users are confined to; `None` for all users.
        environment: Option<Box<str>>,
    },
    /// Users that are not disabled and that no environment confines.
    UnconfinedUsers,
    /// Tenants.
    Tenants {
        /// Plan of the tenants.
        plan: Box<str>,
    },
}

impl AffectedRecords {
    /// Returns the noun for one (`key`) or several (`keys`).
    #[must_use]
    pub fn noun(&self, count: u64) -> &'static str {
        match (self, count) {
            (Self::Keys(_), 1) => "key",
            (Self::Keys(_), _) => "keys",
            (Self::Users { .. } | Self::UnconfinedUsers, 1) => "user",
            (Self::Users { .. } | Self::UnconfinedUsers, _) => "users",
            (Self::Tenants { .. }, 1) => "tenant",
            (Self::Tenants { .. }, _) => "tenants",
        }
    }
}

/// Change between two versions of a profile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProfileChange {
    /// Effect on callers.
    pub effect: ChangeEffect,
    /// Human-readable description.
    pub description: String,
    /// Path of the field in the document (`kinds[secret].prefixes`).
    pub field: String,
    /// Value before; empty if there was none, or if the description has it.
    pub before: String,
    /// Value afterwards; empty if there is none, or if the description has it.
    pub after: String,
    /// Routes that the change is about.
    pub routes: Vec<String>,
    /// Keys, users or tenants that the change affects, if they can be counted.
    pub affected: Vec<AffectedRecords>,
    /// True if the change must be forced where it affects a key, user or tenant.
    pub takes_away: bool,
    /// True if the change has no effect unless a key, user or tenant is counted.
    pub only_if_affected: bool,
}

impl ProfileChange {
    /// Returns a change of a field.
    pub fn new(effect: ChangeEffect, field: impl Into<String>, description: impl Into<String>) -> Self {
        Self {
            effect,
            description: description.into(),
            field: field.into(),
            before: String::new(),
            after: String::new(),
            routes: Vec::new(),
            affected: Vec::new(),
            takes_away: false,
            only_if_affected: false,
        }
    }

    /// Sets the values before and afterwards.
    #[must_use]
    pub fn values(self, before: impl Into<String>, after: impl Into<String>) -> Self {
        Self { before: before.into(), after: after.into(), ..self }
    }

    /// Adds keys, users or tenants that the change affects.
    #[must_use]
    pub fn affecting(mut self, affected: impl IntoIterator<Item = AffectedRecords>) -> Self {
        self.affected.extend(affected);
        self
    }

    /// Leaves the change out where it affects no key, user or tenant.
    #[must_use]
    pub fn only_if_affected(self) -> Self {
        Self { only_if_affected: true, ..self }
    }

    /// Requires force where the change affects a key, user or tenant.
    #[must_use]
    pub fn taking_away(self) -> Self {
        Self { takes_away: true, ..self }
    }
}
