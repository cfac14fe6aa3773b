//! Reason why a request to Redis was of no use, for the log and the breaker.

use redis::RedisError;

use crate::words;

/// The reason of a miss, for the log.
pub(super) enum MissReason {
    TimedOut,
    Malformed,
    Error(RedisError),
}

impl From<RedisError> for MissReason {
    fn from(error: RedisError) -> Self {
        Self::Error(error)
    }
}

impl MissReason {
    /// Returns whether the connection is lost.
    pub(super) fn is_broken(&self) -> bool {
        match self {
            Self::TimedOut | Self::Malformed => false,
            Self::Error(error) => error.is_io_error() || error.is_unrecoverable_error(),
        }
    }

    /// Returns whether the server responded with an error.
    pub(super) fn is_refusal(&self) -> bool {
        matches!(self, Self::Error(error) if !error.is_io_error())
    }
}

impl std::fmt::Display for MissReason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::TimedOut => f.write_str("no response in time"),
            Self::Malformed => f.write_str("malformed response"),
            Self::Error(error) => f.write_str(&words::of(error)),
        }
    }
}
