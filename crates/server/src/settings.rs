//! Settings with the checks of the parts that use them, and what each part takes of them.

pub(crate) mod tls;

#[cfg(test)]
mod tests;

use latchkey_config::{BadSettings, Checks, Problem, Redis, Settings, Sources, Tls};
use latchkey_redis::{Address, BadUrl};

/// Reads and checks everything that the operator has given.
pub fn load(sources: &Sources) -> Result<Settings, BadSettings> {
    Settings::load(sources, &Parts)
}

struct Parts;

impl Checks for Parts {
    fn redis(&self, given: &Redis) -> Result<(), String> {
        redis(given).map(drop).map_err(|bad| bad.to_string())
    }

    fn tls(&self, given: &Tls) -> Vec<Problem> {
        tls::check(given)
    }
}

/// Address of Redis as its client takes it.
pub(crate) fn redis(given: &Redis) -> Result<Address, BadUrl> {
    Address::parse(&given.url, given.ca.clone())
}
