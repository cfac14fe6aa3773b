//! Password jobs in progress by address: those of logins, and those of new passwords. The jobs of one address never fill the
//! queue of passwords that wait to be hashed, so that a flood from one address does not refuse the logins of all others.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};

use latchkey_core::error::RequestError;

const BUSY: RequestError = RequestError::ResourceExhausted(
    "too many passwords from this address are being checked or set; try again soon",
);

/// Numbers of password jobs in progress by address. Jobs without an address count as those of one address.
#[derive(Clone, Debug, Default)]
pub(super) struct PasswordSlots(Arc<Mutex<HashMap<Option<IpAddr>, usize>>>);

/// Password job in progress; it ends when this is dropped. The job holds it, since it continues when the caller gives up.
pub(super) struct PasswordSlot {
    slots: PasswordSlots,
    address: Option<IpAddr>,
}

impl PasswordSlots {
    /// Begins a job for an address, of which at most `most` run at a time.
    pub(super) fn begin(&self, address: Option<IpAddr>, most: usize) -> Result<PasswordSlot, RequestError> {
        let address = address.map(network);
        let mut running = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let of_address = running.entry(address).or_default();
        if *of_address >= most {
            return Err(BUSY);
        }
        *of_address += 1;
        Ok(PasswordSlot { slots: self.clone(), address })
    }
}

impl Drop for PasswordSlot {
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
        let slots = PasswordSlots::default();
        let from = |address: &str| Some(address.parse().unwrap());
        let first = slots.begin(from("2001:db8::1"), 2).unwrap();
        let _second = slots.begin(from("2001:db8::2"), 2).unwrap();
        assert!(slots.begin(from("2001:db8::3"), 2).is_err(), "the same network");
        assert!(slots.begin(from("192.0.2.1"), 2).is_ok());
        assert!(slots.begin(None, 2).is_ok());
        drop(first);
        assert!(slots.begin(from("2001:db8::3"), 2).is_ok());
        assert_eq!(slots.0.lock().unwrap().len(), 1, "addresses without a job take no memory");
    }
}
