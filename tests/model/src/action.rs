//! Actions: the steps that the processes, the network, the clocks and the operators take.

/// Step of the model. The first number is a replica, the second a database, unless a comment says otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// Tick of all clocks but one, which loses its tick.
    Tick(Option<usize>),
    /// A replica reads its clock to begin a round.
    RoundBegins(usize),
    /// The heartbeat of a round is committed.
    HeartbeatCommits(usize),
    /// The changes of a round are read; the answer is on its way.
    RoundReads(usize, usize),
    /// The changes of a poll are read; the answer is on its way.
    PollReads(usize, usize),
    /// The answer of a round or of a poll arrives.
    AnswerArrives(usize),
    /// The applied revision is written to the row.
    Reports(usize),
    /// A Check begins that needs a look-up.
    CheckBegins(usize),
    /// A Check finds the lease valid.
    CheckFindsLease(usize),
    /// The database is asked for the key; the answer is on its way.
    LookupReads(usize, usize),
    /// The answer of a look-up arrives.
    LookupArrives(usize),
    /// A call (first number) reads the list of holders through a replica (second number) before its commit.
    CallPrepares(usize, usize),
    /// A call (first number) commits the revocation through a replica (second number).
    CallCommits(usize, usize),
    /// A call (first number) reads the list of holders from a database (second number).
    CallLists(usize, usize),
    /// A call is answered with OK.
    CallAnswers(usize),
    /// A call ends at its caller's deadline.
    CallExpires(usize),
    /// A write is committed that leaves the key as it is.
    OtherWriteCommits,
    /// A proxy asks its replica for the changes and a lease.
    ProxyAsks,
    /// The replica reads its state for the proxy; the answer is on its way.
    ProxyIsServed,
    /// The answer of the replica arrives at the proxy.
    ProxyAnswerArrives,
    /// The proxy acknowledges what it has applied.
    ProxyAcknowledges,
    /// A process starts.
    Starts(usize),
    /// A process that starts under a name writes its challenge.
    Challenges,
    /// The predecessor of a name answers the challenge; the new process doesn't start.
    ChallengeIsAnswered,
    /// The row of the predecessor is superseded.
    Supersedes,
    /// A process is killed.
    IsKilled(usize),
    /// A process begins to drain: it stops deciding and trusting.
    Drains(usize),
    /// A process marks its row as left.
    Leaves(usize),
    /// A person deletes the row of a replica.
    RowIsDeleted(usize),
    /// A person alters the row of a replica.
    RowIsAltered(usize),
    /// The wall clock of the database jumps.
    WallClockJumps,
    /// The standby receives everything that is committed.
    StandbyCatchesUp,
    /// The standby becomes the primary; sessions to the old primary can still read.
    FailsOver,
}
