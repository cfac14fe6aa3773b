//! Which credential came: one, none, or more than one, which is never settled by guessing.

use latchkey_core::access::Presented;

use crate::source::{Found, Looker, Source};

/// What becomes of two sources with different values.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Conflict {
    /// The call is denied as ambiguous.
    #[default]
    Deny,
    /// The source that is declared first counts.
    First,
}

/// Where credentials come from, and whether the upstream sees them.
#[derive(Clone, Debug)]
pub(crate) struct Credential {
    pub(crate) sources: Vec<Source>,
    pub(crate) conflict: Conflict,
    pub(crate) forward: bool,
}

impl Credential {
    /// The credential of a request.
    pub(crate) fn read<'a>(&self, look: &Looker<'a, '_>) -> Presented<'a> {
        let mut found = Found::Absent;
        for source in &self.sources {
            let here = look.find(source);
            match (self.conflict, found) {
                (_, Found::Absent) => found = here,
                (Conflict::Deny, _) if here != Found::Absent && here != found => found = Found::Several,
                (Conflict::Deny | Conflict::First, _) => {}
            }
            let settled = match self.conflict {
                Conflict::Deny => found == Found::Several,
                Conflict::First => found != Found::Absent,
            };
            if settled {
                break;
            }
        }
        match found {
            Found::Absent => Presented::Missing,
            Found::Several => Presented::Ambiguous,
            Found::Unreadable => Presented::Unreadable,
            Found::Text(text) => Presented::of(text),
        }
    }
}
