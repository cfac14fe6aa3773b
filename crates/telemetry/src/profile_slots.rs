//! Small numbers (slots) for profiles, which counters are indexed by. A name keeps its slot for the life of the process.
//! The number of slots is fixed: profiles beyond it are counted together.

use std::sync::OnceLock;

/// Number of slots for names.
const CAPACITY: usize = 256;
/// Maximum distance of a name from its home slot.
const MAX_PROBES: usize = 16;
/// Slot of Checks for which no profile was found.
const NONE: usize = CAPACITY;
/// Slot of profiles that have no slot of their own.
const OVERFLOW: usize = CAPACITY + 1;
/// Number of all slots.
pub(crate) const SLOTS: usize = CAPACITY + 2;

/// Names of profiles by slot.
pub(crate) struct ProfileSlots([OnceLock<Box<str>>; CAPACITY]);

impl ProfileSlots {
    pub(crate) fn new() -> Self {
        Self(std::array::from_fn(|_| OnceLock::new()))
    }

    /// Returns a name's slot; a new name gets a free one.
    pub(crate) fn slot(&self, name: Option<&str>) -> usize {
        let Some(name) = name else { return NONE };
        let home = home_slot(name);
        for number in (home..home + MAX_PROBES).map(|number| number % CAPACITY) {
            if **self.0[number].get_or_init(|| name.into()) == *name {
                return number;
            }
        }
        OVERFLOW
    }

    /// Returns the label value of a slot, or `None` if the slot is free.
    pub(crate) fn name(&self, number: usize) -> Option<&str> {
        match number {
            NONE => Some(""),
            OVERFLOW => Some("_other"),
            _ => self.0.get(number)?.get().map(|name| &**name),
        }
    }
}

/// Returns a name's home slot, by FNV-1a: names are short and few, and collisions bring an attacker no advantage.
fn home_slot(name: &str) -> usize {
    let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    usize::try_from((hash ^ (hash >> 32)) % CAPACITY as u64).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_keeps_its_number() {
        let profiles = ProfileSlots::new();
        let (shop, bank) = (profiles.slot(Some("shop")), profiles.slot(Some("bank")));
        assert_ne!(shop, bank);
        assert_eq!((profiles.slot(Some("shop")), profiles.name(shop)), (shop, Some("shop")));
        assert_eq!(profiles.name(profiles.slot(None)), Some(""));
    }

    #[test]
    fn too_many_profiles_are_counted_together() {
        let profiles = ProfileSlots::new();
        let numbers: Vec<usize> = (0..2_000).map(|n| profiles.slot(Some(&format!("p{n}")))).collect();
        assert!(numbers.iter().all(|number| *number < SLOTS));
        assert_eq!(profiles.name(numbers[1_999]), Some("_other"));
        assert_eq!(profiles.name(numbers[0]), Some("p0"));
    }
}
