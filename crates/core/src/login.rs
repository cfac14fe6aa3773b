//! Throttling of logins with a password. Failures are counted for an account and an address together, so that an
//! attacker locks the account only for the attacker's own address. A second count covers all addresses of an account
//! and slows guesses from many of them; addresses from which the user has logged in are exempt from it.
//!
//! An account is a tenant and an e-mail address as they were sent. It need not exist: a login of an unknown user is
//! counted in the same way, so that it takes the same time.

use std::net::IpAddr;
use std::time::Duration;

use crate::secret::KeyHash;
use crate::time::Timestamp;

/// Limit of failures, and the time after which one failure is forgiven.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct FailureLimit {
    most: u32,
    interval: Duration,
}

/// Most failures in a row of an account from one address.
pub const MAX_FAILURES_OF_ADDRESS: u32 = 100;
/// Most failures of an account from all addresses without a login: further ones are refused if they have failed before.
pub const MAX_FAILURES_OF_ACCOUNT: u32 = 200;
/// Failures of an account up to which an address without failures may still try once.
pub const MAX_FAILURES_OF_NEW_ADDRESSES: u32 = 500;

const OF_ADDRESS: FailureLimit =
    FailureLimit { most: MAX_FAILURES_OF_ADDRESS, interval: Duration::from_mins(15) };
const OF_ACCOUNT: FailureLimit =
    FailureLimit { most: MAX_FAILURES_OF_NEW_ADDRESSES, interval: Duration::from_mins(5) };

/// Time for which an address is known after a login.
const KNOWN_FOR: Duration = Duration::from_hours(90 * 24);
/// Age at which the record of a login from an address is renewed, so that not every login writes.
const RENEWED_AFTER: Duration = Duration::from_hours(24);

/// Failures that are not forgiven yet, as the time at which the last of them will be. The default is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Failures {
    /// Time from which there are none.
    pub clear_at: Timestamp,
}

impl Failures {
    /// Returns the number of failures at `now`, at most the limit.
    fn count(self, limit: FailureLimit, now: Timestamp) -> u32 {
        let left = u128::try_from(self.clear_at.0.saturating_sub(now.0)).unwrap_or_default();
        u32::try_from(left.div_ceil(limit.interval.as_millis())).unwrap_or(u32::MAX).min(limit.most)
    }

    /// Returns these failures, or `usual` of them if they are more than the limit, which only a clock that was set back can
    /// bring about.
    fn within(self, limit: FailureLimit, usual: u32, now: Timestamp) -> Self {
        let possible = self.clear_at <= now.plus(limit.interval * limit.most);
        if possible { self } else { Self { clear_at: now.plus(limit.interval * usual) } }
    }

    fn with_one_more(self, limit: FailureLimit, now: Timestamp) -> Self {
        let latest = now.plus(limit.interval * limit.most);
        Self { clear_at: self.clear_at.max(now).plus(limit.interval).min(latest) }
    }
}

/// Logins of an account so far, as far as they concern one address.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LoginHistory {
    /// Failures from the address.
    pub address: Failures,
    /// Failures from all addresses that are not known.
    pub account: Failures,
    /// Time until which the address is known; the epoch if the user has not logged in from it.
    pub known_until: Timestamp,
}

/// Result of a login attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoginVerdict {
    /// The password is right, and attempts are allowed.
    Success,
    /// The password is wrong.
    Failure,
    /// There were too many failures. The password does not count.
    Locked,
}

/// Decision on a login attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoginDecision {
    /// Result of the attempt.
    pub verdict: LoginVerdict,
    /// History after the attempt.
    pub history: LoginHistory,
    /// True if this attempt is the one that locks the account for the address.
    pub locks: bool,
}

impl LoginHistory {
    /// Decides on an attempt after the password was compared. An attempt that is locked does not count as a failure.
    #[must_use]
    pub fn decide(self, correct: bool, now: Timestamp) -> LoginDecision {
        self.within_limits(now).decide_within(correct, now)
    }

    fn decide_within(self, correct: bool, now: Timestamp) -> LoginDecision {
        if !self.allows(now) {
            return LoginDecision { verdict: LoginVerdict::Locked, history: self, locks: false };
        }
        if correct {
            let known = now.plus(KNOWN_FOR);
            let recent = self.known_until.plus(RENEWED_AFTER) > known;
            let known_until = if recent { self.known_until } else { known };
            let history = Self { address: Failures::default(), known_until, ..self };
            return LoginDecision { verdict: LoginVerdict::Success, history, locks: false };
        }
        let account =
            if self.is_known(now) { self.account } else { self.account.with_one_more(OF_ACCOUNT, now) };
        let history = Self { address: self.address.with_one_more(OF_ADDRESS, now), account, ..self };
        LoginDecision { verdict: LoginVerdict::Failure, history, locks: !history.allows(now) }
    }

    fn within_limits(self, now: Timestamp) -> Self {
        let address = self.address.within(OF_ADDRESS, MAX_FAILURES_OF_ADDRESS, now);
        let account = self.account.within(OF_ACCOUNT, MAX_FAILURES_OF_ACCOUNT, now);
        Self { address, account, ..self }
    }

    fn is_known(&self, now: Timestamp) -> bool {
        self.known_until > now
    }

    fn allows(&self, now: Timestamp) -> bool {
        let (of_address, of_account) =
            (self.address.count(OF_ADDRESS, now), self.account.count(OF_ACCOUNT, now));
        let most = if of_address == 0 { MAX_FAILURES_OF_NEW_ADDRESSES } else { MAX_FAILURES_OF_ACCOUNT };
        of_address < MAX_FAILURES_OF_ADDRESS && (self.is_known(now) || of_account < most)
    }
}

/// Returns the identifier of an account: a hash, so that the counts of unknown users keep no e-mail addresses.
#[must_use]
pub fn account_id(tenant: &str, email: &str) -> KeyHash {
    KeyHash::of(&format!("latchkey.login.account.v1 {}:{tenant} {email}", tenant.len()))
}

/// Returns the identifier of an address among those of an account. The addresses of one /64 network of IPv6 are one
/// client (RFC 6177); an address of IPv4 that is written in IPv6 is that address.
#[must_use]
pub fn address_id(account: &KeyHash, address: Option<IpAddr>) -> KeyHash {
    let network = match address.map(|address| address.to_canonical()) {
        None => "none".to_owned(),
        Some(IpAddr::V4(address)) => address.to_string(),
        Some(IpAddr::V6(address)) => format!("{:x}", address.to_bits() >> 64),
    };
    let account = account.0.map(|byte| format!("{byte:02x}")).concat();
    KeyHash::of(&format!("latchkey.login.address.v1 {account} {network}"))
}

#[cfg(test)]
mod tests;
