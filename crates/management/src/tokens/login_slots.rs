//! Logins in progress by address. The logins of one address never fill the queue of passwords that wait to be hashed, so
//! that a flood from one address does not refuse the logins of all others. A new password of a user counts as a login.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};

use latchkey_core::error::RequestError;

const BUSY: RequestError =
    RequestError::ResourceExhausted("too many passwords from this address are being checked; try again soon");

/// Numbers of logins in progress by address. A login without an address counts as one of its own address.
#[derive(Clone, Debug, Default)]
pub(super) struct LoginSlots(Arc<Mutex<HashMap<Option<IpAddr>, usize>>>);

/// Login in progress; it ends when this is dropped. The job that hashes the password holds it, since the job continues
/// when the caller gives up.
pub(super) struct LoginSlot {
    slots: LoginSlots,
    address: Option<IpAddr>,
}

impl LoginSlots {
    /// Begins a login from an address, of which at most `most` run at a time.
    pub(super) fn begin(&self, address: Option<IpAddr>, most: usize) -> Result<LoginSlot, RequestError> {
        let address = address.map(network);
        let mut running = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let of_address = running.entry(address).or_default();
        if *of_address >= most {
            return Err(BUSY);
        }
        *of_address += 1;
        Ok(LoginSlot { slots: self.clone(), address })
    }
}

impl Drop for LoginSlot {
    fn drop(&mut self) {
        let mut running = self.slots.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(of_address) = running.get_mut(&self.address) {
            *of_address -= 1;
            if *of_address == 0 {
                running.remove(&self.address);
            }
        }
    }
}

/// Returns the address that stands for its client: for IPv6, that of the /64 network.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() >> 64 << 64)),
        address @ IpAddr::V4(_) => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_address_takes_no_more_than_its_part() {
        let slots = LoginSlots::default();
        let from = |address: &str| Some(address.parse().unwrap());
        let first = slots.begin(from("2001:db8::1"), 2).unwrap();
        let _second = slots.begin(from("2001:db8::2"), 2).unwrap();
        assert!(slots.begin(from("2001:db8::3"), 2).is_err(), "the same network");
        assert!(slots.begin(from("192.0.2.1"), 2).is_ok());
        assert!(slots.begin(None, 2).is_ok());
        drop(first);
        assert!(slots.begin(from("2001:db8::3"), 2).is_ok());
        assert_eq!(slots.0.lock().unwrap().len(), 1, "addresses without a login take no memory");
    }
}
