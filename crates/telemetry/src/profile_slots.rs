//! Profiles by small numbers, so that counting has a place for each. A name keeps its number as long as the
//! process lives. There are so many numbers and no more: profiles beyond that are counted together.

use std::sync::OnceLock;

/// Numbers for names.
const CAPACITY: usize = 256;
/// How far from its own place a name may lie.
const MAX_PROBES: usize = 16;
/// Where no profile was found.
const NONE: usize = CAPACITY;
/// Where there are too many.
const OVERFLOW: usize = CAPACITY + 1;
/// All numbers.
pub(crate) const SLOTS: usize = CAPACITY + 2;

/// The names.
pub(crate) struct ProfileSlots([OnceLock<Box<str>>; CAPACITY]);

impl ProfileSlots {
    pub(crate) fn new() -> Self {
        Self(std::array::from_fn(|_| OnceLock::new()))
    }

    /// The number of a name; a new one gets one.
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

    /// What a number is told as; none: nobody has it.
    pub(crate) fn name(&self, number: usize) -> Option<&str> {
        match number {
            NONE => Some(""),
            OVERFLOW => Some("_other"),
            _ => self.0.get(number)?.get().map(|name| &**name),
        }
    }
}

/// FNV-1a: names are short and few, and nobody gains by making them collide.
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
