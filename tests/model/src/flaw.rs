//! Flaws: rules of the protocol that are left out or done wrongly. The checker must find a counterexample for each.

/// Rule that is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Flaw {
    /// A poll without a committed heartbeat extends the lease.
    LeaseWithoutHeartbeat,
    /// A round writes its heartbeat to one database and reads the changes from another.
    RoundOnTwoDatabases,
    /// A lease starts at the end of its round.
    LeaseFromEndOfRound,
    /// A replica without a lease decides by a look-up.
    DecisionWithoutLease,
    /// A look-up counts although its revision is older than what the replica has applied.
    OlderLookupAccepted,
    /// A look-up counts if the number of its revision is as high as what the replica has applied, whatever its history.
    LookupNumbersCompared,
    /// A look-up needs the revision that was applied when the Check began, and not when its lease was found valid.
    FloorFromBeginOfCheck,
    /// A look-up fills the cache although a newer revision has been applied since it was read.
    LateFill,
    /// A writer waits for its own lease instead of the holder's.
    OwnLease,
    /// A writer reads the list of holders before its commit.
    ListBeforeCommit,
    /// A writer accepts a list of holders from a database that lacks its revision.
    ListFromStaleServer,
    /// A writer adds no margin for clocks of different rates.
    NoMargin,
    /// A writer believes a row that fails its checksum.
    AlteredRowBelieved,
    /// Leases are judged by the wall clock of the database.
    WallClock,
    /// A writer doesn't wait until its own copy has applied the revision.
    OwnCopyIgnored,
    /// A writer whose lease is over doesn't wait for its own copy, although a round that began before the commit may
    /// still extend the lease.
    OwnRoundInFlight,
    /// A call that finds nothing to change answers at once.
    RetryWaitsForNothing,
    /// A holder whose row is deleted is forgotten.
    DeletedIsForgotten,
    /// The time since a beat was first seen runs on when the row vanishes.
    VanishedRowAgesOn,
    /// A writer doesn't notice that a missing row was registered again and removed again.
    RepeatedRegistrationUnseen,
    /// Registrations are not counted apart from the rows.
    RegistrationsNotCounted,
    /// A replica marks its row as left while it still decides.
    LeaveBeforeDistrust,
    /// A replica doesn't notice that its row is missing.
    MissingRowUnnoticed,
    /// A replica that registers again restarts its counter of heartbeats.
    BeatStartsAgain,
    /// A process removes the row of its name without a challenge of the predecessor.
    RestartWithoutFence,
    /// A process removes the row of its name as soon as its challenge is not answered.
    ChallengeAlone,
    /// A replica that finds a broken history forgets which revocations it has applied.
    ResetForgetsTombstones,
    /// A replica decides by the database alone, although it has applied a revocation.
    NoTombstones,
    /// A replica that finds a broken history doesn't write its revocations again.
    NoReapplication,
    /// A replica finds a broken history by the number of the head alone.
    HeadsComparedOnly,
    /// A writer compares the numbers of revisions, and not their hashes.
    NumbersComparedOnly,
    /// A replica reports a revision that its proxy has not applied.
    ReportBeforeProxy,
    /// A proxy takes a lease of its full length, however short its replica's remaining lease is.
    ProxyLeaseOfItsOwn,
    /// A replica marks its row as left while its proxy still trusts its copy.
    LeaveBeforeProxy,
    /// A process removes the row of its predecessor, which has ended, while the predecessor's proxy still trusts its copy.
    SupersedeBeforeProxy,
}

impl Flaw {
    /// Every flaw.
    pub const ALL: [Self; 35] = [
        Self::LeaseWithoutHeartbeat,
        Self::RoundOnTwoDatabases,
        Self::LeaseFromEndOfRound,
        Self::DecisionWithoutLease,
        Self::OlderLookupAccepted,
        Self::LookupNumbersCompared,
        Self::FloorFromBeginOfCheck,
        Self::LateFill,
        Self::OwnLease,
        Self::ListBeforeCommit,
        Self::ListFromStaleServer,
        Self::NoMargin,
        Self::AlteredRowBelieved,
        Self::WallClock,
        Self::OwnCopyIgnored,
        Self::OwnRoundInFlight,
        Self::RetryWaitsForNothing,
        Self::DeletedIsForgotten,
        Self::VanishedRowAgesOn,
        Self::RepeatedRegistrationUnseen,
        Self::RegistrationsNotCounted,
        Self::LeaveBeforeDistrust,
        Self::MissingRowUnnoticed,
        Self::BeatStartsAgain,
        Self::RestartWithoutFence,
        Self::ChallengeAlone,
        Self::ResetForgetsTombstones,
        Self::NoTombstones,
        Self::NoReapplication,
        Self::HeadsComparedOnly,
        Self::NumbersComparedOnly,
        Self::ReportBeforeProxy,
        Self::ProxyLeaseOfItsOwn,
        Self::LeaveBeforeProxy,
        Self::SupersedeBeforeProxy,
    ];
}
