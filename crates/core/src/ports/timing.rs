//! What a store is asked, by sort, and who takes the time of it. The sorts are those of the ports' calls: few, and never
//! more for more keys or tenants, so that a metric may be divided by them.

use crate::time::Tick;

macro_rules! questions {
    ($($variant:ident = $name:literal, $what:literal;)*) => {
        /// A sort of question.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Question {
            $(#[doc = concat!($what, ".")] $variant,)*
        }

        impl Question {
            /// Every sort; a sort's place is its number.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// Its name.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// What is asked, for people.
            #[must_use]
            pub fn what(self) -> &'static str {
                match self { $(Self::$variant => $what,)* }
            }
        }
    };
}

questions! {
    FindKey = "find_key", "Keys by their hashes, one or many at once: what a Check waits for";
    FindUser = "find_user", "Users behind tokens, in the same way";
    FindFamily = "find_family", "Families of tokens, in the same way";
    Read = "read", "One thing, or all profiles";
    List = "list", "A page of things";
    Write = "write", "A change to keys, tenants, users or profiles";
    SigningKeys = "signing_keys", "All signing keys, or a change to a profile's, which may come of itself";
    Login = "login", "An attempt to sign in, counted or taken back";
    Token = "token", "A family of tokens, begun, renewed or ended";
    Feed = "feed", "What has changed since";
    Report = "report", "How far this replica has come, written down";
    Spread = "spread", "Whether the other replicas have come as far";
    AddUsage = "add_usage", "Use of keys, written down";
    ReadUsage = "read_usage", "Use of keys, and what would have been denied";
    Audit = "audit", "The end of the audit log, or a part of it that is checked";
    Prune = "prune", "What nobody needs any more, taken away";
    Seals = "seals", "What lies sealed, and under which master keys";
    Ping = "ping", "Whether the database answers";
}

/// How a question ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// It was answered; that a rule or a unique name said no is an answer, too.
    Answered,
    /// The database said that it can't, or something that can't be read.
    Failed,
    /// There was no answer in time.
    Late,
    /// Whoever asked went away.
    Abandoned,
}

impl End {
    /// Every end; an end's place is its number.
    pub const ALL: [Self; 4] = [Self::Answered, Self::Failed, Self::Late, Self::Abandoned];

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Answered => "ok",
            Self::Failed => "failed",
            Self::Late => "timeout",
            Self::Abandoned => "abandoned",
        }
    }
}

/// Takes the time of questions. It hears of each once, at its end, and never waits.
pub trait Stopwatch: Send + Sync {
    /// A question begins now.
    fn start(&self) -> Tick;
    /// One that began then has ended.
    fn stop(&self, question: Question, end: End, began: Tick);
}

/// Nobody wants to know.
#[derive(Clone, Copy, Debug, Default)]
pub struct Untimed;

impl Stopwatch for Untimed {
    fn start(&self) -> Tick {
        Tick(0)
    }

    fn stop(&self, _: Question, _: End, _: Tick) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sorts_and_an_ends_place_is_its_number() {
        assert!(Question::ALL.iter().enumerate().all(|(place, question)| *question as usize == place));
        assert!(End::ALL.iter().enumerate().all(|(place, end)| *end as usize == place));
    }
}
