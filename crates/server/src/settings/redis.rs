//! Redis's address, which may hold a password: it shows itself without one, and only the limiter is handed the
//! whole of it.

use std::fmt;

/// Where Redis is.
#[derive(Clone, PartialEq, Eq)]
pub struct RedisUrl(String);

impl RedisUrl {
    /// Reads one. The error never quotes it.
    pub fn parse(url: &str) -> Result<Self, String> {
        if url.starts_with("rediss://") {
            return Err(
                "TLS to Redis is not built yet: write redis://, and let what stands between speak TLS"
                    .to_owned(),
            );
        }
        let known = ["redis://", "redis+unix://", "unix://"].iter().any(|scheme| url.starts_with(scheme));
        if known {
            Ok(Self(url.to_owned()))
        } else {
            Err("write redis://[USER:PASSWORD@]HOST:PORT".to_owned())
        }
    }

    /// The whole of it, password and all: for the limiter alone.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for RedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = self.0.split("://").next().unwrap_or_default();
        write!(f, "{scheme}://…@{}", self.0.rsplit(['@', '/']).next().unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_read_and_its_password_not_shown() {
        let url = RedisUrl::parse("redis://latchkey:hunter2@cache:6379").unwrap();
        assert!(!format!("{url:?}").contains("hunter2"), "{url:?}");
        for bad in ["cache:6379", "", "http://cache", "rediss://cache:6379"] {
            assert!(RedisUrl::parse(bad).is_err(), "{bad:?}");
        }
    }
}
