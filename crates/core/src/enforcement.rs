//! Enforcement of rules. A profile, a route, a scope and a rate class can each be enforced or in shadow:
//! evaluated in full and reported, but not enforced.

/// Effect of a denial by a rule.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Enforcement {
    /// The call is denied.
    #[default]
    Enforced,
    /// The call passes, and the denial is reported as one in shadow.
    Shadow,
}

impl Enforcement {
    /// Returns whether the rule is in shadow.
    #[must_use]
    pub fn is_shadow(self) -> bool {
        match self {
            Self::Enforced => false,
            Self::Shadow => true,
        }
    }
}
