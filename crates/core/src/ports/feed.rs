//! The change feed: changes in commit order, with the access that each took away.

use async_trait::async_trait;

use super::{Announcement, Fleet, Replica};
use crate::error::SystemError;
use crate::id::{FamilyId, TenantId, UserId};
use crate::secret::KeyHash;

/// A row of the change feed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The revision: gap-free, in commit order.
    pub revision: u64,
    /// The changed object.
    pub subject: ChangeSubject,
    /// Access that the change took away; `None` if it took none away, or if the release that wrote it did not
    /// record it.
    pub effect: Option<ChangeEffect>,
    /// Identity of the database's history up to this change; `None` if the release that wrote it did not
    /// record it.
    pub history: Option<HistoryHash>,
}

/// Object that a change is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ChangeSubject {
    /// A key, by the hash that the cache finds it by.
    Key(KeyHash),
    /// A tenant.
    Tenant(TenantId),
    /// A profile, by name.
    Profile(Box<str>),
    /// A user.
    User(UserId),
    /// A token family.
    Family(FamilyId),
    /// The signing keys of a profile, by its name.
    SigningKeys(Box<str>),
}

/// Access that a change took away. If a database loses the change, a follower that had applied it takes the access
/// away again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChangeEffect {
    /// A key was revoked, which is irreversible.
    Revoked,
    /// A tenant was suspended.
    Suspended,
    /// A key or a user was disabled.
    Disabled,
    /// A key or a user may do less than before. The rest is unknown to a follower, so it disables the subject.
    Restricted,
    /// A token family has ended, which is irreversible.
    Ended,
    /// The signing key with this identifier was withdrawn, which is irreversible.
    Withdrawn(Box<str>),
}

/// SHA-256 hash of the audit chain after a write. Two databases that share it share all writes up to it.
pub type HistoryHash = [u8; 32];

/// A change of one object, as a write appends it to the feed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PendingChange {
    /// The changed object.
    pub subject: ChangeSubject,
    /// Access that the change takes away.
    pub effect: Option<ChangeEffect>,
}

impl From<ChangeSubject> for PendingChange {
    fn from(subject: ChangeSubject) -> Self {
        Self { subject, effect: None }
    }
}

impl ChangeSubject {
    /// Returns a change of this object with an effect.
    #[must_use]
    pub fn with_effect(self, effect: Option<ChangeEffect>) -> PendingChange {
        PendingChange { subject: self, effect }
    }
}

/// A poll of the feed: the results of one server of the database, which it read in this order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FeedPoll {
    /// True if a heartbeat was asked for and the replica is registered. Then the server accepts writes, and all that
    /// follows was read after the heartbeat was committed.
    pub heartbeat: bool,
    /// The replicas, and the newest revision.
    pub fleet: Fleet,
    /// The first changes, as [`ChangeFeed::changes`] returns them.
    pub changes: Vec<Change>,
}

/// Newest revision of the database and the newest row of the feed, as of one moment. They are the same unless a person has
/// altered one of the tables, or restored one alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FeedExtent {
    /// Newest revision of the database.
    pub head: u64,
    /// Revision of the newest row; `None` if there is no row.
    pub newest: Option<u64>,
    /// Number of rows that the table of the newest revision has: one.
    pub heads: u64,
}

impl FeedExtent {
    /// Returns why no change can be written and the feed can't be followed: there are rows behind the newest revision.
    #[must_use]
    pub fn rows_behind(&self) -> Option<String> {
        let newest = self.newest.filter(|newest| *newest > self.head)?;
        Some(format!(
            "the change feed has rows behind the head: head.revision is {head}, and the newest row of changes is {newest}. The \
             table head was altered, or restored alone: restore the whole database from one backup, or set head.revision to \
             {newest}, and head.audit_sequence and head.audit_hash to the sequence and the hash of the last row of audit_events",
            head = self.head
        ))
    }

    /// Returns what is missing if the feed ends before the newest revision. A replica that cleared its cache can go on.
    #[must_use]
    pub fn missing_rows(&self) -> Option<String> {
        let newest = self.newest.filter(|newest| *newest < self.head)?;
        let first = newest + 1;
        Some(format!(
            "the change feed has no row {first}, and head.revision is {head}: rows of the table changes were deleted, or it was \
             restored alone. What they took away can't be taken away again if the database loses it: compare the database with \
             its backup, and restore it as a whole if more is missing",
            head = self.head
        ))
    }

    /// Returns what is wrong with the table of the newest revision if it has other rows besides the one that is used.
    #[must_use]
    pub fn other_heads(&self) -> Option<String> {
        (self.heads > 1).then(|| {
            format!(
                "the table head has {} rows, and only the one with id = 1 is used: delete the others",
                self.heads
            )
        })
    }
}

/// The change feed, as followers read it.
#[async_trait]
pub trait ChangeFeed: Send + Sync {
    /// Writes the heartbeat, if there is one, and reads the replicas and at most `limit` changes from the revision
    /// `from` on; all of it by one session.
    async fn poll(
        &self,
        heartbeat: Option<(&Replica, &Announcement)>,
        from: u64,
        limit: u32,
    ) -> Result<FeedPoll, SystemError>;
    /// Returns the changes from the revision `from` on, oldest first and without a gap: `limit` of them at most. The
    /// first one may be missing, if it was pruned.
    async fn changes(&self, from: u64, limit: u32) -> Result<Vec<Change>, SystemError>;
    /// Returns revisions up to `newest` with the history at each of them, newest first: `limit` of them at most.
    async fn history(&self, newest: u64, limit: u32) -> Result<Vec<(u64, HistoryHash)>, SystemError>;
    /// Returns the newest revision of the database and that of the feed, as of one moment.
    async fn extent(&self) -> Result<FeedExtent, SystemError>;
    /// Returns whether the database was once in a state with this history and has lost nothing since, also if the change of
    /// that revision was pruned. Fails if the server that answers is behind the required revision.
    async fn has_history(&self, history: &HistoryHash) -> Result<bool, SystemError>;
    /// Refuses answers to look-ups that are older than `revision` from now on: they come from a server that is behind.
    /// A lower revision replaces a higher one, as after a database was restored.
    fn require_revision(&self, revision: u64);
    /// Closes all sessions, since some may be with a server from before a failover. New ones are opened as needed.
    fn replace_sessions(&self) {}
    /// Returns an error if the database is no longer the one that was opened, as a file that was replaced.
    fn check_identity(&self) -> Result<(), SystemError> {
        Ok(())
    }
}
