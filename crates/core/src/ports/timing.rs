//! Kinds of database queries and the timer that measures them. The kinds are those of the ports' calls. Their
//! number does not depend on the number of keys or tenants, so that a metric may have them as a label.

use crate::time::MonotonicInstant;

macro_rules! query_kinds {
    ($($variant:ident = $name:literal, $description:literal;)*) => {
        /// Kind of a database query.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum QueryKind {
            $(#[doc = concat!($description, ".")] $variant,)*
        }

        impl QueryKind {
            /// Every kind. The index of a kind is its number.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// Returns the value of the metric label.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// Returns the human-readable description.
            #[must_use]
            pub fn description(self) -> &'static str {
                match self { $(Self::$variant => $description,)* }
            }
        }
    };
}

query_kinds! {
    FindKey = "find_key", "Keys by their hashes, one or many at once: the lookup that a Check waits for";
    FindUser = "find_user", "Users of tokens, one or many at once";
    FindFamily = "find_family", "Token families, one or many at once";
    Read = "read", "Objects by their identifiers, or all profiles";
    List = "list", "A page of objects";
    Write = "write", "A change to keys, tenants, users or profiles";
    SigningKeys = "signing_keys", "All signing keys, or a change to those of a profile, on request or by schedule";
    Login = "login", "A login: its user, or the decision by the failures before";
    Token = "token", "A token family: created, renewed or ended";
    ChangeFeed = "feed", "Changes since a revision";
    Heartbeat = "heartbeat", "The heartbeat of this replica";
    Propagation = "propagation", "The replicas, and the revisions that they have applied";
    AddUsage = "add_usage", "Storing the use of keys";
    ReadUsage = "read_usage", "The use of keys, and calls that shadow mode allowed";
    Audit = "audit", "The end of the audit log, or a part of it for verification";
    Prune = "prune", "Deleting rows that are no longer needed";
    SealedValues = "sealed_values", "Sealed values, and the master keys that they are sealed under";
    Ping = "ping", "A test of whether the database answers";
}

/// Outcome of a query.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QueryOutcome {
    /// The database answered. A violated unique constraint or a rejected update is an answer, too.
    Ok,
    /// The database returned an error, or a result that cannot be read.
    Failed,
    /// The database did not answer in time.
    TimedOut,
    /// The caller stopped waiting.
    Cancelled,
}

impl QueryOutcome {
    /// Every outcome. The index of an outcome is its number.
    pub const ALL: [Self; 4] = [Self::Ok, Self::Failed, Self::TimedOut, Self::Cancelled];

    /// Returns the value of the metric label.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Failed => "error",
            Self::TimedOut => "timeout",
            Self::Cancelled => "cancelled",
        }
    }
}

/// Measures queries. It is called at the start and at the end of a query and must not block.
pub trait QueryTimer: Send + Sync {
    /// Returns the time at which a query begins.
    fn start(&self) -> MonotonicInstant;
    /// Records a query that has ended, with the time that `start` returned.
    fn stop(&self, kind: QueryKind, outcome: QueryOutcome, started_at: MonotonicInstant);
}

/// Timer that does nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoopTimer;

impl QueryTimer for NoopTimer {
    fn start(&self) -> MonotonicInstant {
        MonotonicInstant(0)
    }

    fn stop(&self, _: QueryKind, _: QueryOutcome, _: MonotonicInstant) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_index_of_a_kind_or_outcome_is_its_number() {
        assert!(QueryKind::ALL.iter().enumerate().all(|(index, kind)| *kind as usize == index));
        assert!(QueryOutcome::ALL.iter().enumerate().all(|(index, outcome)| *outcome as usize == index));
    }
}
