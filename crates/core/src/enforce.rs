//! Whether a rule is enforced, or tried first: judged in full, told of, and not enforced. A profile, a route, a
//! scope and a rate class can each be tried.

/// What becomes of a denial that falls under a rule.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Enforce {
    /// The call is denied.
    #[default]
    On,
    /// The call passes, and what would have denied it is told of.
    Shadow,
}

impl Enforce {
    /// Whether it is tried only.
    #[must_use]
    pub fn is_shadow(self) -> bool {
        match self {
            Self::On => false,
            Self::Shadow => true,
        }
    }
}
