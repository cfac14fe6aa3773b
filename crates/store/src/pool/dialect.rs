//! Servers that speak PostgreSQL's protocol, and the expressions that only PostgreSQL itself has.

/// Server that speaks PostgreSQL's protocol.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Dialect {
    /// PostgreSQL.
    #[default]
    Postgres,
    /// Another one, which lacks functions that depend on PostgreSQL's implementation: LISTEN and NOTIFY, its
    /// write-ahead log, some settings of sessions.
    Compatible,
}

impl Dialect {
    /// Returns the SQL expression for whether the server is a standby.
    pub(crate) fn standby(self) -> &'static str {
        match self {
            Self::Postgres => "pg_is_in_recovery()",
            Self::Compatible => "COALESCE(current_setting('in_hot_standby', true) = 'on', false)",
        }
    }

    /// Returns the SQL expression for whether commits are durable.
    pub(super) fn commit(self) -> &'static str {
        match self {
            Self::Postgres => "current_setting('synchronous_commit')",
            Self::Compatible => "COALESCE(current_setting('synchronous_commit', true), 'on')",
        }
    }

    /// Returns the SQL expression for whether commits wait for a standby.
    pub(super) fn waits(self) -> &'static str {
        match self {
            Self::Postgres => "current_setting('synchronous_standby_names') <> ''",
            Self::Compatible => "false",
        }
    }

    /// Returns the SQL expression for a text that tells servers behind a pooler apart.
    pub(super) fn server(self) -> &'static str {
        match self {
            Self::Postgres => "pg_postmaster_start_time()::text",
            Self::Compatible => "''::text",
        }
    }

    /// Returns the SQL expression for the setting by which foreign keys are enforced.
    pub(super) fn replication_role(self) -> &'static str {
        match self {
            Self::Postgres => "current_setting('session_replication_role')",
            Self::Compatible => "COALESCE(current_setting('session_replication_role', true), 'origin')",
        }
    }

    /// Returns the SQL expression for the encoding of the database.
    pub(super) fn encoding(self) -> &'static str {
        match self {
            Self::Postgres => "current_setting('server_encoding')",
            Self::Compatible => "COALESCE(current_setting('server_encoding', true), 'UTF8')",
        }
    }

    /// Returns the SQL expression for the version of a row of the table `r`, which each write changes: the number of the
    /// transaction that wrote it.
    pub(crate) fn row_version(self) -> &'static str {
        match self {
            Self::Postgres => "r.xmin::text",
            Self::Compatible => "NULL::text",
        }
    }

    /// Returns whether sessions can notify others, and listen.
    pub(crate) fn notifies(self) -> bool {
        self == Self::Postgres
    }

    /// Returns whether a write may leave out the wait for its durable commit.
    pub(crate) fn commits_lazily(self) -> bool {
        self == Self::Postgres
    }
}
