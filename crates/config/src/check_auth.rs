//! Settings of who may call Check.

use std::fmt;

use latchkey_core::secret::KeyHash;

use super::definitions;
use super::reader::SettingsReader;

/// Least length of a caller's key, in characters.
const SHORTEST_KEY: usize = 32;

/// Callers of Check.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum CheckAuth {
    /// Everyone who reaches the port.
    #[default]
    None,
    /// Clients with a certificate of the CA of the gRPC port's clients.
    Certificate,
    /// Clients that send one of these keys.
    Key(CheckKeys),
}

/// Keys of the callers of Check, as hashes.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct CheckKeys(Vec<KeyHash>);

impl fmt::Debug for CheckKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CheckKeys({}, redacted)", self.0.len())
    }
}

impl CheckKeys {
    /// Parses keys that are separated by commas or line ends. The error does not quote them.
    pub fn parse(text: &str) -> Result<Self, String> {
        let keys = text.split([',', '\n']).map(str::trim).filter(|key| !key.is_empty());
        let read = |(number, key): (usize, &str)| {
            if key.len() < SHORTEST_KEY || !key.bytes().all(|byte| byte.is_ascii_graphic()) {
                return Err(format!(
                    "number {number} of them could be guessed or not be sent: give at least {SHORTEST_KEY} \
                     printable ASCII characters, for example the output of `openssl rand -hex 32`"
                ));
            }
            Ok(KeyHash::of(key))
        };
        let keys: Vec<KeyHash> = (1..).zip(keys).map(read).collect::<Result<_, _>>()?;
        if keys.is_empty() {
            return Err(format!(
                "there is no key in it, so that every Check would be denied: give at least one of at least \
                 {SHORTEST_KEY} characters, for example the output of `openssl rand -hex 32`"
            ));
        }
        Ok(Self(keys))
    }

    /// Returns whether a value is one of the keys. The time that it takes says nothing about them, since hashes are
    /// compared.
    #[must_use]
    pub fn contain(&self, value: &str) -> bool {
        let sent = KeyHash::of(value);
        self.0.contains(&sent)
    }
}

impl SettingsReader<'_> {
    pub(super) fn check_auth(&mut self) -> Option<CheckAuth> {
        let keys = self.read(&definitions::CHECK_KEYS, CheckKeys::parse);
        let auth = self.read(&definitions::CHECK_AUTH, |text| match text {
            "none" => Ok(CheckAuth::None),
            "certificate" => Ok(CheckAuth::Certificate),
            "key" => Ok(CheckAuth::Key(keys.clone().unwrap_or_default())),
            _ => Err(format!("{text:?} is none of \"none\", \"certificate\" and \"key\"")),
        })?;
        match &auth {
            CheckAuth::None => {
                let why = "the keys are compared only if check_auth is \"key\"";
                self.require(&definitions::CHECK_KEYS, &definitions::CHECK_AUTH, why);
            }
            CheckAuth::Certificate => {
                let why = "clients are asked for a certificate only if there is a CA for them";
                self.require(&definitions::CHECK_AUTH, &definitions::TLS_CLIENT_CA, why);
            }
            CheckAuth::Key(_) => {
                let why = "callers of Check send one of these keys";
                self.require(&definitions::CHECK_AUTH, &definitions::CHECK_KEYS, why);
            }
        }
        Some(auth)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_compared_and_never_shown() {
        let (one, two) = ("a".repeat(32), "b".repeat(40));
        let keys = CheckKeys::parse(&format!("{one},\n {two}\n")).unwrap();
        assert!(keys.contain(&one) && keys.contain(&two) && !keys.contain("") && !keys.contain(&one[1..]));
        assert!(!format!("{keys:?}").contains("aaa"));
        let error = CheckKeys::parse(&format!("{one},short-canary")).unwrap_err();
        assert!(error.starts_with("number 2") && !error.contains("canary"), "{error}");
        assert!(CheckKeys::parse(&"\u{e9}".repeat(32)).is_err());
    }
}
