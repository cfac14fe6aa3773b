//! Whether a rule is enforced, or tried first: judged in full, told of, and not enforced. A profile, a route, a
//! scope and a rate class can each be tried.

/// What becomes of a denial that falls under a rule.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Enforcement {
    /// The call is denied.
    #[default]
    Enforced,
    /// The call passes, and what would have denied it is told of.
    Shadow,
}

impl Enforcement {
    /// Whether it is tried only.
    #[must_use]
    pub fn is_shadow(self) -> bool {
        match self {
            Self::Enforced => false,
            Self::Shadow => true,
        }
    }
}
