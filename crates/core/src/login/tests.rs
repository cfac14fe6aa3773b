//! Tests of the throttle, with a clock that the test moves.

use std::collections::HashMap;

use super::*;

const NOW: Timestamp = Timestamp(1_763_000_000_000);

/// Account that is tried from several addresses.
struct Account {
    failures: Failures,
    addresses: HashMap<u32, (Failures, Timestamp)>,
    now: Timestamp,
}

impl Account {
    fn new() -> Self {
        Self { failures: Failures::default(), addresses: HashMap::new(), now: NOW }
    }

    fn attempt(&mut self, address: u32, correct: bool) -> LoginDecision {
        let (failures, known_until) = self.addresses.get(&address).copied().unwrap_or_default();
        let history = LoginHistory { address: failures, account: self.failures, known_until };
        let decision = history.decide(correct, self.now);
        self.failures = decision.history.account;
        self.addresses.insert(address, (decision.history.address, decision.history.known_until));
        decision
    }

    fn fails(&mut self, address: u32, times: u32) {
        for n in 0..times {
            assert_eq!(self.attempt(address, false).verdict, LoginVerdict::Failure, "{address}: {n}");
        }
    }

    fn move_on(&mut self, by: Duration) {
        self.now = self.now.plus(by);
    }
}

#[test]
fn a_stranger_locks_the_account_for_the_strangers_address_alone() {
    let mut account = Account::new();
    account.fails(1, 99);
    let last = account.attempt(1, false);
    assert!(last.verdict == LoginVerdict::Failure && last.locks);
    for _ in 0..1_000 {
        let more = account.attempt(1, true);
        assert!(more.verdict == LoginVerdict::Locked && !more.locks, "even the right password");
    }
    assert_eq!(account.attempt(2, true).verdict, LoginVerdict::Success, "another address");
}

#[test]
fn one_request_every_quarter_of_an_hour_does_not_keep_others_out() {
    let mut account = Account::new();
    account.fails(1, 100);
    for _ in 0..1_000 {
        account.move_on(Duration::from_mins(15));
        account.fails(1, 1);
        assert_eq!(account.attempt(1, false).verdict, LoginVerdict::Locked);
    }
    assert_eq!(account.attempt(2, true).verdict, LoginVerdict::Success);
}

#[test]
fn guesses_from_many_addresses_are_bounded_and_known_addresses_may_log_in() {
    let mut account = Account::new();
    assert_eq!(account.attempt(0, true).verdict, LoginVerdict::Success);
    let mut guesses = 0;
    for address in 1..10_000 {
        for _ in 0..3 {
            guesses += u32::from(account.attempt(address, false).verdict == LoginVerdict::Failure);
        }
    }
    assert_eq!(guesses, MAX_FAILURES_OF_NEW_ADDRESSES);
    assert_eq!(account.attempt(20_000, true).verdict, LoginVerdict::Locked, "a new address");
    assert_eq!(account.attempt(0, true).verdict, LoginVerdict::Success, "a known address");
    assert_eq!(account.attempt(0, false).verdict, LoginVerdict::Failure, "it is still counted");
    account.move_on(Duration::from_mins(5));
    assert_eq!(account.attempt(20_000, true).verdict, LoginVerdict::Success, "one failure is forgiven");
}

#[test]
fn a_new_address_may_log_in_where_addresses_that_failed_are_locked() {
    let mut account = Account::new();
    account.fails(1, 99);
    account.fails(2, 99);
    account.fails(3, 2);
    assert_eq!(account.attempt(3, true).verdict, LoginVerdict::Locked);
    assert_eq!(account.attempt(4, true).verdict, LoginVerdict::Success);
}

#[test]
fn failures_are_forgiven_with_time_and_by_success() {
    let mut account = Account::new();
    account.fails(1, 100);
    account.move_on(Duration::from_mins(15) - Duration::from_millis(1));
    assert_eq!(account.attempt(1, true).verdict, LoginVerdict::Locked);
    account.move_on(Duration::from_millis(1));
    assert_eq!(account.attempt(1, true).verdict, LoginVerdict::Success);
    account.fails(1, 100);
    assert_eq!(account.attempt(1, true).verdict, LoginVerdict::Locked);
}

#[test]
fn an_address_is_known_for_ninety_days() {
    let mut account = Account::new();
    let first = account.attempt(1, true).history.known_until;
    account.move_on(Duration::from_hours(1));
    assert_eq!(account.attempt(1, true).history.known_until, first, "not every login writes");
    account.move_on(Duration::from_hours(24));
    assert!(account.attempt(1, true).history.known_until > first);
    account.move_on(Duration::from_hours(91 * 24));
    for address in 2..1_000 {
        let _ = account.attempt(address, false);
    }
    assert_eq!(account.attempt(1, true).verdict, LoginVerdict::Locked, "forgotten");
}

#[test]
fn a_clock_that_was_set_back_locks_no_longer_than_the_limit() {
    let mut account = Account::new();
    account.now = NOW.plus(Duration::from_hours(24 * 365));
    account.fails(1, 100);
    account.now = NOW;
    assert_eq!(account.attempt(1, true).verdict, LoginVerdict::Locked);
    assert_eq!(account.attempt(2, true).verdict, LoginVerdict::Success);
    account.move_on(OF_ADDRESS.interval);
    assert_eq!(account.attempt(1, true).verdict, LoginVerdict::Success, "one failure is forgiven");
}

#[test]
fn addresses_of_one_network_are_one_client() {
    let account = account_id("t", "ada@example.dev");
    let id = |address: &str| address_id(&account, Some(address.parse().unwrap())).0;
    assert_eq!(id("2001:db8:1:2::1"), id("2001:db8:1:2:ffff::9"));
    assert_ne!(id("2001:db8:1:2::1"), id("2001:db8:1:3::1"));
    assert_eq!(id("::ffff:192.0.2.1"), id("192.0.2.1"));
    assert_ne!(id("192.0.2.1"), id("192.0.2.2"));
    assert_ne!(id("192.0.2.1"), address_id(&account, None).0);
    let other = account_id("t", "eve@example.dev");
    assert_ne!(id("192.0.2.1"), address_id(&other, Some("192.0.2.1".parse().unwrap())).0);
    assert_ne!(account_id("a b", "c").0, account_id("a", "b c").0);
}
