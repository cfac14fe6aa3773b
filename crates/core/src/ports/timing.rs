//! What a store is asked, by sort, and who takes the time of it. The sorts are those of the ports' calls: few, and never
//! more for more keys or tenants, so that a metric may be divided by them.

use crate::time::MonotonicInstant;

macro_rules! query_kinds {
    ($($variant:ident = $name:literal, $what:literal;)*) => {
        /// A sort of question.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum QueryKind {
            $(#[doc = concat!($what, ".")] $variant,)*
        }

        impl QueryKind {
            /// Every sort; a sort's place is its number.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// Its name.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// What is asked, for people.
            #[must_use]
            pub fn description(self) -> &'static str {
                match self { $(Self::$variant => $what,)* }
            }
        }
    };
}

query_kinds! {
    FindKey = "find_key", "Keys by their hashes, one or many at once: what a Check waits for";
    FindUser = "find_user", "Users behind tokens, in the same way";
    FindFamily = "find_family", "Families of tokens, in the same way";
    Read = "read", "One thing, or all profiles";
    List = "list", "A page of things";
    Write = "write", "A change to keys, tenants, users or profiles";
    SigningKeys = "signing_keys", "All signing keys, or a change to a profile's, which may come of itself";
    Login = "login", "An attempt to sign in, counted or taken back";
    Token = "token", "A family of tokens, begun, renewed or ended";
    ChangeFeed = "feed", "What has changed since";
    Heartbeat = "heartbeat", "How far this replica has come, written down";
    Propagation = "propagation", "Whether the other replicas have come as far";
    AddUsage = "add_usage", "Use of keys, written down";
    ReadUsage = "read_usage", "Use of keys, and what would have been denied";
    Audit = "audit", "The end of the audit log, or a part of it that is checked";
    Prune = "prune", "What nobody needs any more, taken away";
    SealedValues = "sealed_values", "What lies sealed, and under which master keys";
    Ping = "ping", "Whether the database answers";
}

/// How a question ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QueryOutcome {
    /// It was answered; that a rule or a unique name said no is an answer, too.
    Ok,
    /// The database said that it can't, or something that can't be read.
    Failed,
    /// There was no answer in time.
    TimedOut,
    /// Whoever asked went away.
    Cancelled,
}

impl QueryOutcome {
    /// Every end; an end's place is its number.
    pub const ALL: [Self; 4] = [Self::Ok, Self::Failed, Self::TimedOut, Self::Cancelled];

    /// Its name.
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

/// Takes the time of questions. It hears of each once, at its end, and never waits.
pub trait QueryTimer: Send + Sync {
    /// A question begins now.
    fn start(&self) -> MonotonicInstant;
    /// One that began then has ended.
    fn stop(&self, kind: QueryKind, end: QueryOutcome, began: MonotonicInstant);
}

/// Nobody wants to know.
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
    fn a_sorts_and_an_ends_place_is_its_number() {
        assert!(QueryKind::ALL.iter().enumerate().all(|(place, kind)| *kind as usize == place));
        assert!(QueryOutcome::ALL.iter().enumerate().all(|(place, end)| *end as usize == place));
    }
}
