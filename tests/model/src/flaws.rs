//! Scenarios in which the flaws show.

use crate::flaw::Flaw;
use crate::scenario::Scenario;
use crate::scenarios::{
    DUPLICATES, ENDS, FAILOVER, FORGOTTEN, FORK, LOOKUPS, LOSS, LOST_LOOKUPS, OTHER_MACHINE, PERSON, PROXY,
    PROXY_LEAVES, PROXY_RESTARTS, RATES, STARTS, WALL_CLOCK,
};

impl Flaw {
    /// Returns the rule of the protocol that the flaw breaks, and the scenario in which the checker must find a
    /// counterexample.
    #[must_use]
    pub const fn scenario(self) -> (&'static str, Scenario) {
        let (rule, scenario) = match self {
            Self::LeaseWithoutHeartbeat => ("R1", STARTS),
            Self::RoundOnTwoDatabases => ("R1", FAILOVER),
            Self::LeaseFromEndOfRound => ("R1", Scenario::PLAIN),
            Self::DecisionWithoutLease
            | Self::OlderLookupAccepted
            | Self::FloorFromBeginOfCheck
            | Self::LateFill => ("R2", LOOKUPS),
            Self::LookupNumbersCompared => ("R2", LOST_LOOKUPS),
            Self::OwnLease | Self::OwnCopyIgnored | Self::OwnRoundInFlight => ("R3", Scenario::PLAIN),
            Self::ListBeforeCommit => ("R3", STARTS),
            Self::ListFromStaleServer => ("R3", FAILOVER),
            Self::NoMargin => ("R3", RATES),
            Self::AlteredRowBelieved => ("R3", PERSON),
            Self::WallClock => ("R3", WALL_CLOCK),
            Self::RetryWaitsForNothing => ("R4", DUPLICATES),
            Self::DeletedIsForgotten | Self::VanishedRowAgesOn | Self::RepeatedRegistrationUnseen => {
                ("R5", PERSON)
            }
            Self::RegistrationsNotCounted => ("R5", FORGOTTEN),
            Self::LeaveBeforeDistrust => ("R6", ENDS),
            Self::LeaveBeforeProxy => ("R6", PROXY_LEAVES),
            Self::MissingRowUnnoticed | Self::BeatStartsAgain => ("R7", PERSON),
            Self::RestartWithoutFence | Self::ChallengeAlone => ("R8", OTHER_MACHINE),
            Self::SupersedeBeforeProxy => ("R8", PROXY_RESTARTS),
            Self::ResetForgetsTombstones | Self::NoReapplication => ("R9", LOSS),
            Self::NoTombstones => ("R9", LOST_LOOKUPS),
            Self::HeadsComparedOnly | Self::NumbersComparedOnly => ("R9", FORK),
            Self::ReportBeforeProxy | Self::ProxyLeaseOfItsOwn => ("proxy", PROXY),
        };
        (rule, scenario.with(self))
    }
}
